package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const somePage = `{"clusters": [
	{"name": "quiet", "state": "live", "lane": {"live": 0}},
	{"name": "faraway", "state": "backing off", "attempt": 3},
	{"name": "another", "state": "live"}
]}`

// someMetrics has the lags of two deliveries to quiet, and of more if there were.
func someMetrics(more int) string {
	return fmt.Sprintf(`
# TYPE fairlead_changes_observed_total counter
fairlead_changes_observed_total{cluster="quiet",resource="configmaps",stream="configmaps"} 30
fairlead_changes_observed_total{cluster="quiet",resource="pods",stream="pods"} 4
fairlead_changes_observed_total{cluster="another",resource="pods",stream="pods"} 500
# TYPE fairlead_changes_delivered_total counter
fairlead_changes_delivered_total{cluster="quiet",op="added",resource="configmaps"} 20
fairlead_changes_delivered_total{cluster="quiet",op="deleted",resource="configmaps"} 3
# TYPE fairlead_changes_coalesced_total counter
fairlead_changes_coalesced_total{cluster="quiet"} 7
fairlead_changes_coalesced_total{cluster="faraway"} 1
# TYPE fairlead_throttled_total counter
fairlead_throttled_total{cluster="quiet"} 9
# TYPE fairlead_delivery_lag_seconds histogram
fairlead_delivery_lag_seconds_bucket{cluster="quiet",le="+Inf"} %[1]d
fairlead_delivery_lag_seconds_sum{cluster="quiet"} %[2]f
fairlead_delivery_lag_seconds_count{cluster="quiet"} %[1]d
# TYPE go_goroutines gauge
go_goroutines 12
`, 2+more, 0.5+float64(more)*0.25)
}

func TestReadRows(t *testing.T) {
	got, err := readRows([]byte(somePage), []byte(someMetrics(0)))
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{cluster: quiet, state: "live", observed: 34, coalesced: 7, throttled: 9, delivered: 23, lagSum: 500 * time.Millisecond, lagCount: 2},
		{cluster: flooding, state: "unknown"},
		{cluster: faraway, state: "backing off", coalesced: 1},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	if _, err := readRows([]byte("<html>"), nil); err == nil {
		t.Error("no error from a page that is no JSON")
	}
	if _, err := readRows([]byte(somePage), []byte("}")); err == nil {
		t.Error("no error from metrics that are none")
	}
}

func TestLagIsThatOfTheWindow(t *testing.T) {
	more := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := somePage
		if r.URL.Path == "/metrics" {
			body = someMetrics(more)
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	p := newProgram(address, address)
	defer p.client.CloseIdleConnections()

	at := time.Now()
	look := func() string {
		t.Helper()
		rows, err := p.look(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return rows[0].cells()[6]
	}
	if got := look(); got != "-" {
		t.Errorf("lag at first is %s", got)
	}
	more, at = 4, at.Add(lagWindow/2)
	if got := look(); got != "250 ms" {
		t.Errorf("lag after four deliveries that took 250 ms is %s", got)
	}
	at = at.Add(lagWindow * 2)
	if look(); look() != "-" {
		t.Errorf("lag is %s long after the last delivery", look())
	}
}

func TestAskingWhatDoesNotAnswerWell(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	p := newProgram(address, address)
	defer p.client.CloseIdleConnections()
	if err := p.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error is %v, want one with the status", err)
	}
	if _, err := p.look(t.Context(), time.Now()); err == nil {
		t.Error("no error")
	}
}
