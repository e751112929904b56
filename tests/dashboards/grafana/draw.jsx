// Draw window.BOARD, a dashboard with the frames of each panel, with Grafana's own components. Write the visible contents
// of each panel as JSON into #seen. The code here does only what the Grafana application does around its components.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';
import uPlot from 'uplot';
import * as data from '@grafana/data';
import * as ui from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const COLUMN = 1600 / 24;
const ROW = 38;
const GAP = 8;
const board = window.BOARD;
const rangeOf = ({ from, to }) => ({ from: data.dateTime(from), to: data.dateTime(to), raw: { from: board.time.from, to: 'now' } });
const theme = data.createTheme({ colors: { mode: 'dark' } });
const same = (value) => value;

data.standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(data.standardTransformers))].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
  }))
);

// The options of a field's configuration to apply. Grafana ignores all others.
function registryOf({ defaults, overrides }) {
  const option = (path, isCustom) => ({
    ...{ id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, settings: {} },
    ...{ process: same, shouldApply: () => true, override: () => null, editor: () => null },
  });
  const plain = ['unit', 'min', 'max', 'decimals', 'color', 'thresholds', 'mappings'];
  const overridden = overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const custom = overridden.filter((id) => id.startsWith('custom.')).map((id) => id.slice('custom.'.length));
  return new data.Registry(() => [
    ...plain.map((path) => option(path, false)),
    ...[...new Set([...Object.keys(defaults.custom ?? {}), ...custom])].map((path) => option(path, true)),
  ]);
}

async function framesOf({ frames, transformations = [], fieldConfig }) {
  if (!fieldConfig) return frames;
  const properties = fieldConfig.overrides.flatMap((override) => override.properties);
  const overridden = properties.filter(({ id }) => id === 'thresholds').map(({ value }) => value);
  for (const thresholds of [fieldConfig.defaults.thresholds, ...overridden]) {
    // JSON cannot express -Infinity.
    if (thresholds) thresholds.steps[0].value = -Infinity;
  }
  const made = await lastValueFrom(
    data.transformDataFrame(transformations, frames.map((frame) => data.toDataFrame(frame)), { interpolate: same })
  );
  const fieldConfigRegistry = registryOf(fieldConfig);
  const given = { data: made, fieldConfig, fieldConfigRegistry, replaceVariables: same, theme, timeZone: 'utc' };
  const applied = data.applyFieldOverrides(given);
  data.cacheFieldDisplayNames(applied);
  return applied;
}

function values({ panel, frames }) {
  const { fieldConfig, options } = panel;
  const given = { fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: same, theme, timeZone: 'utc' };
  return data.getFieldDisplayValues({ data: frames, ...given });
}

const BODIES = {
  text: ({ panel }) => <div dangerouslySetInnerHTML={{ __html: data.renderTextPanelMarkdown(panel.options.content) }} />,
  timeseries: ({ panel, frames, ...size }) => (
    <ui.TimeSeries
      {...{ frames, theme, ...size }}
      {...{ structureRev: 1, timeRange: rangeOf(panel), timeZone: 'utc', legend: panel.options.legend, tweakAxis: same }}
    />
  ),
  stat: ({ width, height, ...given }) => {
    const shown = values(given);
    const several = shown.length > 1;
    const look = { colorMode: 'value', graphMode: 'none', textMode: several ? 'value_and_name' : 'value' };
    return (
      <div style={{ display: 'flex' }}>
        {shown.map(({ display }, key) => (
          <ui.BigValue
            {...{ key, theme, height, width: width / shown.length, count: shown.length, ...look }}
            value={{ ...display, title: several ? display.title : undefined }}
          />
        ))}
      </div>
    );
  },
  bargauge: ({ width, height, ...given }) => {
    const shown = values(given);
    const look = { orientation: 'horizontal', displayMode: 'gradient', itemSpacing: GAP, text: { titleSize: 12 } };
    return shown.map(({ display, field, view, colIndex }, key) => (
      <div key={key} style={{ marginBottom: GAP }}>
        <ui.BarGauge
          {...{ theme, width, height: Math.min(38, height / shown.length - GAP), value: display, field, ...look }}
          display={view.getFieldDisplayProcessor(colIndex)}
        />
      </div>
    ));
  },
  table: ({ panel, frames, ...size }) => (
    <TableNG
      {...{ data: frames[0], fieldConfig: panel.fieldConfig, initialSortBy: panel.options.sortBy, ...size }}
      {...{ timeRange: rangeOf(panel), structureRev: 1, getActions: () => [] }}
    />
  ),
  // The library does not export the histogram panel, only its parts: the buckets and the plot.
  histogram: ({ panel, frames, width, height }) => {
    const buckets = data.buildHistogram(frames, { bucketCount: panel.options.bucketCount, combine: true }, theme);
    const [low, high, count] = data.histogramFieldsToFrame(buckets, theme).fields;
    const plot = new ui.UPlotConfigBuilder('utc');
    plot.addScale({ ...{ scaleKey: 'x', isTime: false, orientation: 0, direction: 1 }, min: low.values[0], max: high.values.at(-1) });
    plot.addScale({ scaleKey: 'y', isTime: false, orientation: 1, direction: 1, softMin: 0 });
    plot.addAxis({ scaleKey: 'x', placement: 'bottom', theme, formatValue: (v) => data.formattedValueToString(low.display(v)) });
    plot.addAxis({ scaleKey: 'y', placement: 'left', theme });
    plot.addSeries({
      ...{ scaleKey: 'y', theme, fillOpacity: 60, lineWidth: 1, colorMode: data.getFieldColorMode('fixed') },
      ...{ lineColor: theme.visualization.getColorByName('blue'), showPoints: 'never' },
      pathBuilder: uPlot.paths.bars({ align: 1, size: [1, Infinity] }),
    });
    return <ui.UPlotChart {...{ config: plot, width, height, data: [low.values, count.values], timeRange: rangeOf(panel) }} />;
  },
};

class Guarded extends React.Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    return this.state.error ? `Error: ${this.state.error.stack}` : this.props.children;
  }
}

function Panel({ panel, frames }) {
  const { x, y, w, h } = panel.gridPos;
  const size = { width: w * COLUMN - GAP, height: h * ROW - GAP };
  const Body = BODIES[panel.type];
  return (
    <div id={`panel-${panel.id}`} style={{ position: 'absolute', left: x * COLUMN + GAP / 2, top: y * ROW, ...size }}>
      <ui.PanelChrome title={panel.title} {...size}>
        {(width, height) => <Guarded>{frames.length || panel.type === 'text' ? <Body {...{ panel, frames, width, height }} /> : 'No data'}</Guarded>}
      </ui.PanelChrome>
    </div>
  );
}

const Row = ({ panel: { gridPos, title } }) => (
  <div style={{ position: 'absolute', left: GAP, top: gridPos.y * ROW + GAP, color: '#ccc', fontSize: 16 }}>{title}</div>
);

function seen({ id, title, type }) {
  const drawn = document.getElementById(`panel-${id}`);
  const texts = type === 'table' ? [...drawn.querySelectorAll('[role=columnheader]')].map((e) => e.innerText) : drawn.innerText.split('\n');
  return { title, type, texts, plots: drawn.querySelectorAll('.uplot canvas').length, rows: drawn.querySelectorAll('[role=row]').length };
}

async function main() {
  const drawn = await Promise.all(
    board.panels.map(async (panel) =>
      panel.type === 'row' ? <Row key={panel.id} panel={panel} /> : <Panel key={panel.id} panel={panel} frames={await framesOf(panel)} />
    )
  );
  createRoot(document.getElementById('root')).render(
    <data.ThemeContext.Provider value={theme}>
      <ui.GlobalStyles />
      <div style={{ position: 'relative' }}>{drawn}</div>
    </data.ThemeContext.Provider>
  );
  // The browser's time is virtual, so this does not delay the test.
  setTimeout(() => {
    const panels = board.panels.filter(({ type }) => type !== 'row');
    document.getElementById('seen').textContent = JSON.stringify(panels.map(seen));
  }, 5000);
}

main();
