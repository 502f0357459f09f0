// Package app is the program fairlead: its commands and flags, and the wiring
// of everything else.
//
//	flags ──▶ Config ── parse ──▶ settings ──▶ program
//	                                            fleet ─▶ sources ─▶ queue ─▶ stage ─▶ sinks
//	                                            manager: workers
//	                                            servers: /metrics, /healthz /readyz /clusters /status,
//	                                            and the admin address: /replay /dead-letter/retry
//	                                                ▲
//	fairlead replay, fairlead dead-letter retry ────┘ POST
//
//	fairlead ledger, fairlead dead-letter list ─▶ the files themselves
//
// With --leader-elect the program is opened and works when this process leads;
// the servers run from the start.
//
// It is a package, and not part of cmd/fairlead, so that cmd/fairlead-chaos can
// run the same program with a sink that fails on purpose.
//
// A process runs one program: the package sets the loggers of
// controller-runtime and client-go, and registers with controller-runtime's
// metrics.
package app
