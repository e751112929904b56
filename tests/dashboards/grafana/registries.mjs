// Print the ids in Grafana's registries, by kind.
import data from './grafana_data.mjs';

const ids = (registry) => registry.list().map((each) => each.id);

process.stdout.write(
  JSON.stringify({
    units: data.getValueFormats().flatMap((group) => group.submenu.map((unit) => unit.value)),
    reducers: ids(data.fieldReducers),
    matchers: ids(data.fieldMatchers),
    colours: ids(data.fieldColorModeRegistry),
    transformations: ids(data.standardTransformersRegistry),
  })
);
