package mixin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// object is a part of Grafana's JSON.
type object = map[string]any

// Units of Grafana.
const (
	seconds = "s"
	perSec  = "ops"
	bytesIn = "bytes"
	bps     = "Bps"
	count   = "short"
	none    = "none"
	percent = "percentunit"
	date    = "dateTimeAsIso"
)

// dashboard is one page of Grafana.
type dashboard struct {
	name      string // of the file, and the end of its uid
	title     string
	variables []variable // beside datasource, and those of the installation
	rows      []row
}

// variable is one that its user chooses; all, to begin with.
type variable struct{ name, query string }

// row is a line of panels under a title, which share its width.
type row struct {
	title  string
	panels []panel
}

// panel is one picture.
type panel struct {
	kind    string // of Grafana: timeseries, stat, table, state-timeline
	title   string
	help    string // what to make of it
	unit    string
	stacked bool
	queries []query
}

// query is an expression, and the name of each series that it has, in which {{label}} is
// replaced.
type query struct{ expr, legend string }

const (
	width  = 24 // of a page, in Grafana's units
	height = 8  // of a panel
)

// Variables of dashboards.
var (
	clusterVar  = variable{"cluster", `label_values(fairlead_connection_state, cluster)`}
	routeVar    = variable{"route", `label_values(fairlead_lane_bytes, route)`}
	resourceVar = variable{"resource", `label_values(fairlead_stream_state, resource)`}
)

// graph is a panel of lines over time.
func graph(title, unit, help string, queries ...query) panel {
	return panel{kind: "timeseries", title: title, unit: unit, help: help, queries: queries}
}

// stat is a panel of the newest values.
func stat(title, unit, help string, queries ...query) panel {
	return panel{kind: "stat", title: title, unit: unit, help: help, queries: queries}
}

// table is a panel of the newest series with their labels.
func table(title, unit, help, expr string) panel {
	return panel{kind: "table", title: title, unit: unit, help: help, queries: []query{{expr, ""}}}
}

func (p panel) stack() panel {
	p.stacked = true
	return p
}

// quantiles are queries for the median and the 99th percentile of a histogram with classic
// buckets, by further labels. Selector is what stands between its braces.
func quantiles(histogram, selector, label string) []query {
	by, legend := "le", ""
	if label != "" {
		by, legend = "le, "+label, " {{"+label+"}}"
	}
	var all []query
	for _, q := range []struct{ value, name string }{{"0.5", "p50"}, {"0.99", "p99"}} {
		all = append(all, query{fmt.Sprintf("histogram_quantile(%s, sum by (%s) (rate(%s_bucket{%s}[$__rate_interval])))", q.value, by, histogram, selector), q.name + legend})
	}
	return all
}

// Dashboards returns the files of dashboards/ by name.
func Dashboards() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, d := range []dashboard{fleetDashboard(), clusterDashboard(), routeDashboard(), ledgerDashboard(), processDashboard()} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(d.model()); err != nil {
			return nil, fmt.Errorf("write dashboard %s: %w", d.name, err)
		}
		files[d.name+".json"] = b.Bytes()
	}
	return files, nil
}

// model is the dashboard as Grafana imports it.
func (d dashboard) model() object {
	templating := []object{{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}}
	for i, v := range slices.Concat(installationVars, d.variables) {
		query := v.query
		if i >= len(installationVars) {
			query = ofInstallation(query)
		}
		templating = append(templating, object{
			"name": v.name, "type": "query", "datasource": source(), "query": query, "definition": query,
			"refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "current": object{"text": "All", "value": "$__all"},
		})
	}
	var panels []object
	id, y := 0, 0
	for _, r := range d.rows {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []object{}, "gridPos": object{"x": 0, "y": y, "w": width, "h": 1}})
		y++
		each := width / len(r.panels)
		for i, p := range r.panels {
			id++
			panels = append(panels, p.model(id, object{"x": i * each, "y": y, "w": each, "h": height}))
		}
		y += height
	}
	return object{
		"uid": "fairlead-" + d.name, "title": d.title, "tags": []string{"fairlead"}, "schemaVersion": 39, "version": 1,
		"editable": true, "refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "timezone": "",
		"links": []object{{
			"type": "dashboards", "title": "Fairlead", "tags": []string{"fairlead"}, "asDropdown": true, "includeVars": true, "keepTime": true,
		}},
		"templating": object{"list": templating}, "annotations": object{"list": []object{}}, "panels": panels,
	}
}

func source() object { return object{"type": "prometheus", "uid": "${datasource}"} }

func (p panel) model(id int, at object) object {
	var targets []object
	for i, q := range p.queries {
		target := object{"refId": string(rune('A' + i)), "datasource": source(), "expr": ofInstallation(q.expr), "legendFormat": q.legend}
		if p.kind == "table" {
			target["instant"], target["format"] = true, "table"
		}
		targets = append(targets, target)
	}
	defaults := object{"unit": p.unit, "min": 0}
	if p.unit == date {
		delete(defaults, "min")
	}
	custom := object{}
	if p.kind == "timeseries" {
		custom["fillOpacity"] = 10
		if p.stacked {
			custom["stacking"] = object{"mode": "normal"}
		}
	}
	defaults["custom"] = custom
	m := object{
		"id": id, "type": p.kind, "title": p.title, "description": p.help, "datasource": source(), "gridPos": at,
		"targets": targets, "fieldConfig": object{"defaults": defaults, "overrides": []object{}},
	}
	switch p.kind {
	case "timeseries":
		m["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	case "table":
		// A value without a unit says only that there is the series.
		m["transformations"] = []object{{"id": "organize", "options": object{"excludeByName": object{"Time": true, "Value": p.unit == none}}}}
	}
	return m
}
