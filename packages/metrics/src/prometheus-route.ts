import type { IncomingMessage, ServerResponse } from "node:http";
import { checkValue, having } from "@clew/options";
import { optionError } from "./errors.ts";
import type { MetricsData } from "./metric-data.ts";
import { type PrometheusOptions, renderPrometheus } from "./prometheus.ts";

export interface PrometheusRouteOptions extends Omit<PrometheusOptions, "openMetrics"> {
  /** The path of the route. Default: `/metrics`. */
  path?: string;
}

/** A raw route, for the option `routes` of an HttpServer. */
export interface MetricsRoute {
  readonly verb: string;
  readonly path: string;
  /** A scrape is not a call: otherwise it would be counted among the calls that it reports. */
  readonly middleware: false;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

const textType = "text/plain; version=0.0.4; charset=utf-8";
const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/**
 * Creates a route that a Prometheus scrapes. The reply is in OpenMetrics, with exemplars, if the scraper accepts that and does
 * not prefer text. For a smaller reply put a compression filter around the route.
 *
 * @throws CLEW_METRICS_OPTION
 */
export function prometheusRoute(
  provider: { collect(): Promise<MetricsData> },
  options: PrometheusRouteOptions = {},
): MetricsRoute {
  checkValue("provider", provider, having("a MeterProvider, such as startMetrics().provider", "collect"), optionError);
  const { path = "/metrics", ...rendering } = options;
  return {
    verb: "GET",
    path,
    middleware: false,
    async handle(request, response) {
      const openMetrics = prefersOpenMetrics(request.headers.accept);
      const page = renderPrometheus(await provider.collect(), { ...rendering, openMetrics });
      response.setHeader("content-type", openMetrics ? openMetricsType : textType);
      response.setHeader("vary", "accept");
      response.setHeader("cache-control", "no-store");
      response.end(page);
    },
  };
}

/** Whether an Accept header names OpenMetrics and does not prefer text. */
function prefersOpenMetrics(accept = ""): boolean {
  let openMetrics = 0;
  let text = 0;
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = weight === undefined ? 1 : Number(weight.slice(2)) || 0;
    const version = parameters.find((parameter) => parameter.startsWith("version="))?.slice("version=".length);
    if (type === "application/openmetrics-text" && (version ?? "1").startsWith("1")) {
      openMetrics = Math.max(openMetrics, quality);
    } else if (type === "text/plain") text = Math.max(text, quality);
  }
  return openMetrics > 0 && openMetrics >= text;
}
