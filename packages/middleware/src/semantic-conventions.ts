// Names of OpenTelemetry's stable semantic conventions (https://opentelemetry.io/docs/specs/semconv/), 1.45. A test holds
// them against the package that defines them, which is too large to load for a few dozen strings.
export const CLIENT_ADDRESS = "client.address";
export const ERROR_TYPE = "error.type";
export const HTTP_REQUEST_METHOD = "http.request.method";
export const HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original";
export const HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count";
export const HTTP_RESPONSE_STATUS_CODE = "http.response.status_code";
export const HTTP_ROUTE = "http.route";
export const METRIC_HTTP_SERVER_REQUEST_DURATION = "http.server.request.duration";
export const METRIC_RPC_CLIENT_CALL_DURATION = "rpc.client.call.duration";
export const METRIC_RPC_SERVER_CALL_DURATION = "rpc.server.call.duration";
export const NETWORK_PEER_ADDRESS = "network.peer.address";
export const NETWORK_PEER_PORT = "network.peer.port";
export const NETWORK_PROTOCOL_VERSION = "network.protocol.version";
export const RPC_METHOD = "rpc.method";
export const RPC_STATUS_CODE = "rpc.status_code";
export const RPC_SYSTEM_NAME = "rpc.system.name";
export const SERVER_ADDRESS = "server.address";
export const SERVER_PORT = "server.port";
export const URL_FULL = "url.full";
export const URL_PATH = "url.path";
export const URL_QUERY = "url.query";
export const URL_SCHEME = "url.scheme";
export const USER_AGENT_ORIGINAL = "user_agent.original";

// Not stable yet; `peer.service`, which the first replaces, is deprecated.
export const SERVICE_PEER_NAME = "service.peer.name";
export const EVENT_RPC_MESSAGE = "rpc.message";
export const HTTP_REQUEST_BODY_SIZE = "http.request.body.size";
export const RPC_MESSAGE_ID = "rpc.message.id";
export const RPC_MESSAGE_TYPE = "rpc.message.type";
export const RPC_MESSAGE_UNCOMPRESSED_SIZE = "rpc.message.uncompressed_size";
