// Builds the page into calc_stream/web/static. Same sources and lock, same bytes: file names carry
// no hash (the server has every file asked for anew) and nothing of the machine gets in.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  publicDir: "public",
  build: {
    target: "es2022",
    outDir: "../static",
    emptyOutDir: true,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
        // Few files, and the same ones however the views share their parts.
        codeSplitting: {
          groups: [
            { name: "echarts", test: /node_modules\/(echarts|zrender|tslib)\// },
            { name: "svelte", test: /node_modules\/(svelte|clsx|esm-env)\// },
            { name: "parts", test: /page\/src\/(parts|say|live|router|charts\/(?!drawing))/ },
          ],
        },
      },
    },
  },
  experimental: {
    // index.html is served at /, all else at /static/; a proxy may put both below a prefix.
    renderBuiltUrl: (file, { hostType }) =>
      hostType === "html" ? `static/${file}` : { relative: true },
  },
});
