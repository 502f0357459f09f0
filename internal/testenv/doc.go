// Package testenv starts real control planes for tests, demo and benchmarks: a
// kube-apiserver on an etcd each, without nodes, scheduler and controllers.
//
//	test or program                        one Cluster
//	 Start(t, specs...) ──▶ Env ─┬▶ hub       ┌──────────────────────────────────────┐
//	 New(ctx, specs...)          ├▶ member-1  │ kube-apiserver ──unix socket──▶ etcd │
//	                             └▶ member-2  └──────▲───────────────────────────────┘
//	 kubeconfig, *rest.Config ──────────────────▶ 127.0.0.1:port
//	 the same through a Proxy ──▶ cut, black hole, latency, bandwidth ──▲
//
// Faults that can be made: Stop and Start and Restart (same address, same
// data), Kill, Pause and Resume (the server hangs but its port accepts), Compact
// (an old watch gets a 410), Backup and Restore (history goes back), and those of
// a Proxy.
//
// Guarantees:
//   - Every server listens on the loopback only and starts with its own CA.
//   - A cluster keeps its port while it is stopped, and so does a proxy that is
//     cut: on Linux nothing else can take it meanwhile.
//   - Everything started ends: with Close, with the test, and on Linux with the
//     process, also when that is killed.
//
// Starting, stopping and breaking one Cluster or Proxy is for one goroutine at a
// time; different ones may be handled at once. Config, Kubeconfig, URL and Name
// may be called at any time from anywhere.
//
// A control plane takes 0.3 GB of memory and some seconds of CPU to start, so
// share one between the tests of a package, with a namespace per test.
//
// What needs a controller does not happen: Deployments make no Pods, owners that
// go away take nothing with them, and a deleted namespace stays Terminating.
//
// Hostile is a member of another sort: no control plane, but a server in this
// process that answers honestly until it is told what to lie about.
//
// The package finds the servers through internal/controlplane and never builds
// them.
package testenv
