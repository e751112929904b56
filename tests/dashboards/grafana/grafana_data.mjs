// Grafana's own library of units, reducers, matchers, colours and transformations, which wants a browser around it.
import { createRequire } from 'node:module';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('', { url: 'http://localhost' });
window.matchMedia = () => ({ matches: false, addEventListener() {} });
for (const name of ['document', 'navigator', 'localStorage', 'HTMLElement', 'Element', 'Node', 'DOMParser']) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
globalThis.window = window;

// Its ES modules import what CommonJS packages do not name.
const data = createRequire(import.meta.url)('@grafana/data');
// A transformation that was renamed stands there under both names.
data.standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(data.standardTransformers))].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
  }))
);

export default data;
