import "./style/base.css";
import "./style/traces.css";
import "./style/trace.css";
import "./style/services.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { refreshStats, startTail } from "./tail.ts";
import { startTheme } from "./theme.ts";

startTheme();
startRouter();
startTail();
refreshStats();
render(<App />, document.getElementById("app")!);
