// Package testprom runs what Prometheus has for rules and queries, for tests of the mixin.
//
//	Promtool  ── $FAIRLEAD_PROMTOOL, or a build ──▶ promtool check rules, promtool test rules
//	Selectors ── its parser, in a program of its own ──▶ the metrics and labels of a query
//
// Both are built by package testprogram from one module that pins Prometheus (Apache-2.0),
// by internal/testprom/cmd, which make calls. They are programs, because Prometheus as a
// library would put some hundred modules into the product's go.mod. Where there is none, the
// test is skipped; with fairleadtest.RequireEnv set it fails.
//
// The functions may be called concurrently.
package testprom
