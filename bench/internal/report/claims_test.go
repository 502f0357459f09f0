package report

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// claim is a figure of the benchmarks in a page: the first group of the only match of text.
type claim struct {
	page, text string
	benchmark  string
	labels     string
	impl       string // "" means fairlead
	unit       string
	// of is how much of the unit is one of the page's; 0 means 1. Below zero the page tells
	// how many of the unit's figure go into as much.
	of float64
}

const (
	ms     = 1e6
	µs     = 1e3
	second = 1e9
)

// claims are the figures of docs/benchmarks.md that pages repeat.
var claims = []claim{
	{page: "README.md", text: `one list, 100,000 redeliveries, live in ([\d.]+) s`, benchmark: "Restart", impl: "informer", unit: "live-ns", of: second},
	{page: "README.md", text: `no list, no redelivery, live in ([\d.]+) ms`, benchmark: "Restart", unit: "live-ns", of: ms},
	{page: "README.md", text: `99 quiet ones \| ([\d.]+) s`, benchmark: "NoisyNeighbour", impl: "workqueue", unit: "p99-ns", of: second},
	{page: "README.md", text: `99 quiet ones \| .* \| ([\d.]+) ms`, benchmark: "NoisyNeighbour", unit: "p99-ns", of: ms},
	{page: "README.md", text: `read from the socket \| ([\d.]+) MiB`, benchmark: "StalledSink", impl: "informer", unit: "socket-B", of: mib},
	{page: "README.md", text: `read from the socket \| .* \| ([\d.]+) B`, benchmark: "StalledSink", unit: "socket-B"},
	{page: "README.md", text: `goroutines for each idle stream \| ([\d.]+)`, benchmark: "Fleet", labels: "phase=idle", impl: "caches", unit: "goroutines/stream"},
	{page: "README.md", text: `goroutines for each idle stream \| .* \| ([\d.]+)`, benchmark: "Fleet", labels: "phase=idle", unit: "goroutines/stream"},
	{page: "README.md", text: `CPU at rest, .* \| ([\d.]+) ms/s, scaled`, benchmark: "Fleet", labels: "phase=idle", impl: "caches", unit: "cpu-ns/s", of: ms / 10},
	{page: "README.md", text: `CPU at rest, .* \| ([\d.]+) ms/s \|`, benchmark: "Fleet", labels: "phase=idle", unit: "cpu-ns/s", of: ms},

	{page: "docs/sizing.md", text: `for each sink \| ([\d.]+) B of heap`, benchmark: "HeapPerObject", labels: "objects=1000000", unit: "B/object"},
	{page: "docs/sizing.md", text: `each idle stream .* \| ([\d.]+) KiB of heap`, benchmark: "Fleet", labels: "phase=idle", unit: "B/stream", of: kib},
	{page: "docs/sizing.md", text: `each idle stream .* and ([\d.]+) KiB of stack`, benchmark: "Fleet", labels: "phase=idle", unit: "stack-B/stream", of: kib},
	{page: "docs/sizing.md", text: `a first snapshot of 100,000 objects \| ([\d.]+) MiB`, benchmark: "SnapshotPeak", unit: "peak-B", of: mib},
	{page: "docs/sizing.md", text: `1,000,000 updates are offered \| ([\d.]+) MiB`, benchmark: "StalledSink", unit: "growth-B", of: mib},
	{page: "docs/sizing.md", text: `a sink that discards it \| ([\d.]+) µs`, benchmark: "EndToEnd", labels: "sink=null", unit: "cpu-ns/event", of: µs},
	{page: "docs/sizing.md", text: `to a file with fsync \| ([\d.]+) µs`, benchmark: "EndToEnd", labels: "sink=file", unit: "cpu-ns/event", of: µs},
	{page: "docs/sizing.md", text: `each object of a snapshot, read from the socket \| ([\d.]+) µs`, benchmark: "StreamCPU", labels: "phase=snapshot", unit: "cpu-ns/event", of: µs},
	{page: "docs/sizing.md", text: "`mode=metadata`, read from the socket \\| ([\\d.]+) µs", benchmark: "StreamCPU", labels: "phase=live", impl: "fairlead-metadata", unit: "cpu-ns/event", of: µs},
	{page: "docs/sizing.md", text: `the queue, for each change \| ([\d.]+) to `, benchmark: "Queue", labels: "clusters=1000/waiting=0", unit: "ns/op", of: µs},
	{page: "docs/sizing.md", text: `the queue, for each change \| [\d.]+ to ([\d.]+) µs`, benchmark: "Queue", labels: "clusters=1000/waiting=100000", unit: "ns/op", of: µs},
	{page: "docs/sizing.md", text: `nothing changes \| ([\d.]+) ms/s`, benchmark: "Fleet", labels: "phase=idle", unit: "cpu-ns/s", of: ms},
	{page: "docs/sizing.md", text: `handles about ([\d,.]+),000 changes`, benchmark: "EndToEnd", labels: "sink=file", unit: "cpu-ns/event", of: -second / 1000},
	{page: "docs/sizing.md", text: `until live \| ([\d.]+) ms`, benchmark: "Restart", unit: "live-ns", of: ms},
	{page: "docs/sizing.md", text: `all are live within ([\d.]+) s`, benchmark: "Reconnect", labels: "cut=3s", unit: "last-ns", of: second},
	{page: "docs/sizing.md", text: `the longest wait of 99% of changes \| ([\d.]+) ms`, benchmark: "NoisyNeighbour", unit: "p99-ns", of: ms},
}

// TestClaims: what pages tell of the benchmarks is what docs/benchmarks.md does, rounded to as
// many digits as they have.
func TestClaims(t *testing.T) {
	const root = "../../.."
	raw, err := os.Open(filepath.Join(root, "docs/benchmarks/raw.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	runs, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, c := range claims {
		path := filepath.Join(root, c.page)
		if _, read := pages[path]; !read {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pages[path] = string(text)
		}
		measured, ok := runs.find(c.benchmark, c.labels, cmp.Or(c.impl, ours), c.unit)
		if !ok {
			t.Errorf("%s: %q is of %s %s %s, which was not measured", c.page, c.text, c.benchmark, c.labels, c.unit)
			continue
		}
		found := regexp.MustCompile(c.text).FindAllStringSubmatchIndex(pages[path], -1)
		if len(found) != 1 {
			t.Errorf("%s has %q %d times, want it once", c.page, c.text, len(found))
			continue
		}
		from, to := found[0][2], found[0][3]
		says := pages[path][from:to]
		want := c.figure(measured.Median, says)
		if says != want && *update {
			pages[path] = pages[path][:from] + want + pages[path][to:]
		} else if says != want {
			t.Errorf("%s says %s in %q, and docs/benchmarks.md %s (go test -update writes it)", c.page, says, c.text, want)
		}
	}
	if !*update {
		return
	}
	for path, text := range pages {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil { // it exists: its mode stays
			t.Fatal(err)
		}
	}
}

// figure returns what was measured as a page tells it, with as many digits behind the point as it
// has now.
func (c claim) figure(measured float64, now string) string {
	_, digits, _ := strings.Cut(now, ".")
	measured /= math.Abs(cmp.Or(c.of, 1))
	if c.of < 0 {
		measured = 1 / measured
	}
	return strconv.FormatFloat(measured, 'f', len(digits), 64)
}
