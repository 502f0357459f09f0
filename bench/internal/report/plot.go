package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

// plot is a bar for each implementation, in groups.
type plot struct {
	file, title string
	benchmark   string
	unit        string
	groups      []plotGroup
	log         bool // the figures are orders of magnitude apart
}

type plotGroup struct {
	title, labels string
	impls         []string
}

var plots = []plot{{
	file: "flood", title: "Latency under flood: what 99% of a quiet cluster's items wait at most", benchmark: "NoisyNeighbour", unit: "p99-ns", log: true,
	groups: []plotGroup{{"", "", []string{ours, "workqueue", "priorityqueue"}}},
}, {
	file: "cpu", title: "The client's CPU per event", benchmark: "StreamCPU", unit: "cpu-ns/event",
	groups: []plotGroup{
		{"first snapshot", "phase=snapshot", cpuImpls},
		{"live changes", "phase=live", cpuImpls},
	},
}, {
	file: "sinks", title: "Time per change, of sinks beside their own clients", benchmark: "Sink", unit: "ns/change", log: true,
	groups: []plotGroup{
		{"PostgreSQL, later states", "sink=postgres/what=next", sinkImpls},
		{"HTTP, a request each", "sink=http/what=structured", sinkImpls},
		{"HTTP, in batches", "sink=http/what=batch", sinkImpls},
		{"Kafka, 2,000 at a time", "sink=kafka/what=batch-2000", sinkImpls},
		{"NATS JetStream", "sink=nats/what=stream", sinkImpls},
		{"S3", "sink=s3/what=segments", sinkImpls},
		{"OTLP", "sink=otlp/what=collector", sinkImpls},
		{"records in the hub", "sink=hub/what=metadata", sinkImpls},
	},
}, {
	file: "heap", title: "Heap per known object", benchmark: "HeapPerObject", unit: "B/object", log: true,
	groups: []plotGroup{
		{"100,000 objects", "objects=100000", heapImpls},
		{"1,000,000 objects", "objects=1000000", heapImpls},
	},
}}

var (
	cpuImpls  = []string{ours, "bare", "dynamic", "typed", "fairlead-metadata", "metadata"}
	sinkImpls = []string{ours, "direct"}
	heapImpls = []string{ours, "cache-typed", "cache-unstructured", "cache-metadata"}
)

// Theme is a set of colors. Those of bars stand out from the background at least
// three to one, as WCAG 2.2 asks of graphics.
type Theme struct {
	Name                        string
	text, quiet, ours, peer, bg string
}

// Themes are those that plots are drawn in.
var Themes = []Theme{
	{Name: "light", text: "#1f2328", quiet: "#656d76", ours: "#0969da", peer: "#8c959f", bg: "#ffffff"},
	{Name: "dark", text: "#e6edf3", quiet: "#848d97", ours: "#4493f8", peer: "#6e7681", bg: "#0d1117"},
}

// Plots names the plots' files without theme and extension.
func Plots() []string {
	var files []string
	for _, p := range plots {
		files = append(files, p.file)
	}
	return files
}

//go:embed plot.svg.tmpl
var plotText string

var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// Geometry of a plot, in pixels.
const (
	plotWidth   = 720
	plotLabels  = 170
	plotFigures = 130
	barHeight   = 20
	barPitch    = 28
)

// drawn is what the template shows.
type drawn struct {
	Title, Note                 string
	Width, Height               int
	Text, Quiet, Background     string
	Headings                    []drawnText
	Bars                        []drawnBar
	LabelX, BarX, TitleY, NoteY int
}

type drawnText struct {
	Y    int
	Text string
}

type drawnBar struct {
	Y, TextY, Height, Width, FigureX int
	Label, Figure, Color             string
}

// Plot draws one of Plots as SVG.
func (r *Runs) Plot(w io.Writer, file string, theme Theme) error {
	for _, p := range plots {
		if p.file == file {
			return plotTemplate.Execute(w, r.draw(p, theme))
		}
	}
	return fmt.Errorf("there is no plot %q", file)
}

func (r *Runs) draw(p plot, theme Theme) drawn {
	d := drawn{
		Title: p.title, Width: plotWidth, Text: theme.text, Quiet: theme.quiet, Background: theme.bg,
		LabelX: plotLabels - 10, BarX: plotLabels, TitleY: 28, Note: "shorter is better",
	}
	least, most := math.Inf(1), 0.0
	for _, g := range p.groups {
		for _, impl := range g.impls {
			if s, ok := r.find(p.benchmark, g.labels, impl, p.unit); ok && s.Median > 0 {
				least, most = min(least, s.Median), max(most, s.Median)
			}
		}
	}
	if p.log {
		d.Note += "; logarithmic scale"
	}
	y := 60
	for _, g := range p.groups {
		if g.title != "" {
			d.Headings = append(d.Headings, drawnText{y + 12, g.title})
			y += barPitch
		}
		for _, impl := range g.impls {
			bar := drawnBar{Y: y, TextY: y + 15, Height: barHeight, Label: impl, Figure: string(NotMeasured), Color: theme.peer}
			if strings.HasPrefix(impl, ours) {
				bar.Color = theme.ours
			}
			if s, ok := r.find(p.benchmark, g.labels, impl, p.unit); ok {
				bar.Figure = format(s.Median, p.unit)
				bar.Width = int(math.Round(share(s.Median, least, most, p.log) * (plotWidth - plotLabels - plotFigures)))
			}
			bar.FigureX = plotLabels + bar.Width + 8
			d.Bars = append(d.Bars, bar)
			y += barPitch
		}
		y += 8
	}
	d.NoteY = y + 14
	d.Height = y + 28
	return d
}

// share is how much of the room a bar takes. On a logarithmic scale the room
// begins at a tenth of the least figure.
func share(v, least, most float64, log bool) float64 {
	switch {
	case v <= 0 || most <= 0:
		return 0
	case log:
		return math.Log(v/(least/10)) / math.Log(most/(least/10))
	}
	return v / most
}
