import { defineConfig, type UserConfig } from "vite";

const config: UserConfig = defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2023",
    // Younger than Vite's default, so that light-dark() and oklch() reach the browser as they are written.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // The page is served under a strict CSP: no inline script, no data: URLs.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
export default config;
