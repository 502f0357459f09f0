package report

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ErrFailed is returned for the output of a run that failed, or is not whole.
var ErrFailed = errors.New("the benchmarks failed")

// Runs is what the output of `go test -bench` says.
type Runs struct {
	// Env is the lines of the kind "cpu: AMD EPYC": goos, goarch, cpu.
	Env map[string]string
	// Cases are the benchmarks by name, in the order in which they first appear.
	Cases []*Case
	// Skipped are the benchmarks that said why they cannot run.
	Skipped []string
}

// Case is one benchmark with its sub-benchmark: what is measured.
type Case struct {
	Benchmark string // the top-level name, without "Benchmark"
	Labels    string // key=value pairs but impl, separated by "/", as in the name
	Impl      string // value of the last key, if that is impl
	Samples   map[string][]float64
}

// Parse reads the output of `go test -bench`, of any number of packages and runs. A unit
// that begins with "direct-" is of the implementation direct, which was measured in turns
// with that of the line.
// It fails with ErrFailed where a test or a package failed, or where the output
// ends before a package did.
func Parse(r io.Reader) (*Runs, error) {
	runs := &Runs{Env: map[string]string{}}
	byName := map[string]*Case{}
	unfinished := "" // package
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "FAIL"), strings.HasPrefix(strings.TrimSpace(line), "--- FAIL"), strings.HasPrefix(line, "panic:"):
			return nil, fmt.Errorf("%w: line %d: %s", ErrFailed, n, line)
		case strings.HasPrefix(line, "--- SKIP: Benchmark"):
			name, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(fields[2], "Benchmark"), ":"), "/")
			if !slices.Contains(runs.Skipped, name) {
				runs.Skipped = append(runs.Skipped, name)
			}
		case strings.HasPrefix(line, "Benchmark") && len(fields) >= 4 && len(fields)%2 == 0:
			c := parseName(fields[0])
			direct := &Case{Benchmark: c.Benchmark, Labels: c.Labels, Impl: "direct", Samples: map[string][]float64{}}
			add := func(c *Case, unit string, v float64) {
				if known := byName[c.name()]; known != nil {
					c = known
				} else {
					byName[c.name()] = c
					runs.Cases = append(runs.Cases, c)
				}
				c.Samples[unit] = append(c.Samples[unit], v)
			}
			for i := 2; i < len(fields); i += 2 {
				v, err := strconv.ParseFloat(fields[i], 64)
				if err != nil {
					return nil, fmt.Errorf("line %d: %w", n, err)
				}
				if unit, ok := strings.CutPrefix(fields[i+1], "direct-"); ok {
					add(direct, unit, v)
				} else {
					add(c, fields[i+1], v)
				}
			}
		case strings.HasPrefix(line, "pkg: "):
			unfinished = fields[1]
		case strings.HasPrefix(line, "ok  \t"):
			unfinished = ""
		default:
			if key, value, ok := strings.Cut(line, ": "); ok && (key == "goos" || key == "goarch" || key == "cpu") {
				runs.Env[key] = value
			}
		}
	}
	if unfinished != "" {
		return nil, errors.Join(fmt.Errorf("%w: the output ends within %s", ErrFailed, unfinished), lines.Err())
	}
	return runs, lines.Err()
}

// parseName takes a benchmark's name apart.
func parseName(name string) *Case {
	name = strings.TrimPrefix(name, "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 { // GOMAXPROCS
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i]
		}
	}
	c := &Case{Samples: map[string][]float64{}}
	c.Benchmark, c.Labels, _ = strings.Cut(name, "/")
	i := strings.LastIndexByte(c.Labels, '/') + 1
	if impl, ok := strings.CutPrefix(c.Labels[i:], "impl="); ok {
		c.Impl, c.Labels = impl, strings.TrimSuffix(c.Labels[:i], "/")
	}
	return c
}

func (c *Case) name() string { return c.Benchmark + "/" + c.Labels + "/" + c.Impl }

// labels is the labels as a reader wants them.
func (c *Case) labels() string { return strings.ReplaceAll(c.Labels, "/", ", ") }

// find returns what was measured of a case in a unit.
func (r *Runs) find(benchmark, labels, impl, unit string) (Summary, bool) {
	for _, c := range r.Cases {
		if c.Benchmark == benchmark && c.Labels == labels && c.Impl == impl {
			samples := c.Samples[unit]
			return summarize(samples), len(samples) > 0
		}
	}
	return Summary{}, false
}

// Summary is the median of some samples, and between what it lies.
type Summary struct {
	Median, Low, High float64
	N                 int
	// Sure is whether Low and High are the interval that holds the true median
	// with 95% confidence; with fewer than six samples there is none.
	Sure bool
}

// summarize computes the median and its confidence interval as benchstat does:
// from the order of the samples alone, without assuming how they are spread.
func summarize(samples []float64) Summary {
	n := len(samples)
	if n == 0 {
		return Summary{}
	}
	s := slices.Sorted(slices.Values(samples))
	out := Summary{Median: (s[(n-1)/2] + s[n/2]) / 2, Low: s[0], High: s[n-1], N: n}
	// The median lies outside of the k-th smallest and largest sample if fewer
	// than k of n fair coins show the same side.
	tail, ways, all := 0.0, 1.0, 1.0
	for range n {
		all *= 2
	}
	for k := range n / 2 {
		tail += ways / all
		if 2*tail > 0.05 {
			break
		}
		out.Low, out.High, out.Sure = s[k], s[n-1-k], true
		ways = ways * float64(n-k) / float64(k+1)
	}
	return out
}

// spread is how far the interval reaches from the median, as a share of it.
func (s Summary) spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return max(s.High-s.Median, s.Median-s.Low) / cmp.Or(s.Median, 1)
}
