// Package mixin writes what Prometheus and Grafana need to watch Fairlead: alert rules and
// dashboards.
//
//	alerts.go  ──▶ alerts.yaml       ──▶ Prometheus ──▶ runbook_url: docs/runbooks/ALERT.md
//	fleet.go … ──▶ dashboards/*.json ──▶ Grafana
//
// The files are committed, so that users need nothing but them; `make mixin` writes them anew
// after a change here, and a test compares. They are written in Go and not in Jsonnet: what
// there is to say of a panel is a title, a unit and a query, for which a compiler that
// everybody here has is enough, and a library of Grafana's in Jsonnet would be one more
// dependency to follow.
//
// # Guarantees
//
// Every query is PromQL that names metrics and labels of docs/metrics.md. Every alert has a
// runbook with the same four sections, and a test in alerts_test.yaml. Every alert is fired by
// a fault of real clusters, and none fires in a healthy fleet or during a rolling update: a
// test of cmd/internal/app does that.
//
// # What it trusts
//
// The labels job and namespace are those of Prometheus's targets. Fairlead's own metrics have
// none of that name. Two installations that one Prometheus scrapes need to differ in one of
// them: all rules keep both labels, and all dashboards have variables for both. A name of a
// cluster or a resource comes from its owner: Alertmanager's templates have to escape it
// where it is shown as HTML, as they do by themselves.
//
// # Usage
//
//	cp deploy/mixin/alerts.yaml /etc/prometheus/rules/fairlead.yaml
//	promtool check rules deploy/mixin/alerts.yaml
//
// The functions may be called concurrently.
package mixin
