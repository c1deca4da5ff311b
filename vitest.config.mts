import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      name: 'svg-as-text',
      enforce: 'pre',
      load: id => (id.endsWith('.svg') ? 'export default "<svg></svg>"' : undefined)
    }
  ],
  test: {
    environment: 'jsdom',
    globals: true,
    include: ['src/**/__tests__/*.spec.{ts,tsx}'],
    server: { deps: { inline: [/@jupyterlab\//, /@jupyter\//, /@lumino\//, /@microsoft\//] } }
  }
});
