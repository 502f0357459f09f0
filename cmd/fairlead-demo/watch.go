package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

// lagWindow is over which time the table's lag is the mean.
const lagWindow = 3 * time.Second

// row is what Fairlead says of one member.
type row struct {
	cluster   string
	state     string
	observed  int
	coalesced int
	throttled int
	delivered int

	// The table's lag is the difference of two of these.
	lagSum   time.Duration
	lagCount int
	lag      time.Duration
	hasLag   bool // anything was delivered in the window
}

// program is what the demo sees of a running fairlead.
type program struct {
	metrics, health string // base URLs
	client          *http.Client
	history         []sample // those of the window
}

type sample struct {
	at   time.Time
	rows []row
}

func newProgram(metricsAddress, healthAddress string) *program {
	return &program{
		metrics: "http://" + metricsAddress,
		health:  "http://" + healthAddress,
		client:  &http.Client{Timeout: 5 * time.Second},
	}
}

// ready asks whether the program says that it is.
func (p *program) ready(ctx context.Context) error {
	_, err := lab.Get(ctx, p.client, p.health+"/readyz")
	return err
}

// look returns a row per member, in the order of memberNames, as they are now.
func (p *program) look(ctx context.Context, now time.Time) ([]row, error) {
	page, err := lab.Get(ctx, p.client, p.health+"/clusters")
	if err != nil {
		return nil, err
	}
	text, err := lab.Get(ctx, p.client, p.metrics+"/metrics")
	if err != nil {
		return nil, err
	}
	rows, err := readRows(page, text)
	if err != nil {
		return nil, err
	}
	for len(p.history) > 1 && now.Sub(p.history[1].at) >= lagWindow {
		p.history = p.history[1:]
	}
	p.history = append(p.history, sample{at: now, rows: rows})
	for i := range rows {
		rows[i].setLag(p.history[0].rows[i])
	}
	return rows, nil
}

// readRows reads a row per member out of the status page and the metrics.
func readRows(page, text []byte) ([]row, error) {
	var status struct {
		Clusters []struct {
			Name  string `json:"name"`
			State string `json:"state"`
		} `json:"clusters"`
	}
	if err := json.Unmarshal(page, &status); err != nil {
		return nil, fmt.Errorf("read the status page: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	var rows []row
	for _, name := range memberNames {
		r := row{cluster: name, state: "unknown"}
		for _, c := range status.Clusters {
			if c.Name == name {
				r.state = c.State
			}
		}
		r.observed = sum(families, "fairlead_changes_observed_total", name)
		r.coalesced = sum(families, "fairlead_changes_coalesced_total", name)
		r.throttled = sum(families, "fairlead_throttled_total", name)
		r.delivered = sum(families, "fairlead_changes_delivered_total", name)
		for metric := range of(families, "fairlead_delivery_lag_seconds", name) {
			r.lagCount += int(metric.GetHistogram().GetSampleCount())
			r.lagSum += time.Duration(metric.GetHistogram().GetSampleSum() * float64(time.Second))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// sum adds up a counter of one cluster.
func sum(families map[string]*dto.MetricFamily, name, cluster string) int {
	var total float64
	for metric := range of(families, name, cluster) {
		total += metric.GetCounter().GetValue()
	}
	return int(total)
}

// of yields those series of a metric that are about one cluster.
func of(families map[string]*dto.MetricFamily, name, cluster string) func(func(*dto.Metric) bool) {
	return func(yield func(*dto.Metric) bool) {
		for _, metric := range families[name].GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "cluster" && label.GetValue() == cluster && !yield(metric) {
					return
				}
			}
		}
	}
}

// setLag takes the mean over what was delivered since before.
func (r *row) setLag(before row) {
	if n := r.lagCount - before.lagCount; n > 0 {
		r.lag, r.hasLag = (r.lagSum-before.lagSum)/time.Duration(n), true
	}
}
