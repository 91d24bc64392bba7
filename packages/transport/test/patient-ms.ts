/** How long a call may take where its test does not say: no busy machine ends one by that. */
export const patientMs = 60_000;
