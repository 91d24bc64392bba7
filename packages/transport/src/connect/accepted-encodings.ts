/** Every encoding that is understood, as `accept-encoding` says it. */
export const acceptedEncodings = "gzip, br";
