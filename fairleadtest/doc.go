// Package fairleadtest starts real control planes for the tests of controllers that work
// on many clusters, and breaks them: their networks, their servers and their history.
//
//	your test                              one Cluster
//	 Start(t, specs...) ──▶ Env ─┬▶ hub       ┌──────────────────────────────────────┐
//	 New(ctx, specs...)          ├▶ member-1  │ kube-apiserver ──unix socket──▶ etcd │
//	                             └▶ member-2  └──────▲───────────────────────────────┘
//	 Config, Kubeconfig ────────────────────▶ 127.0.0.1:port
//	 the same through a Proxy ──▶ cut, reset, black hole, latency, rate ──▲
//
// A cluster is a kube-apiserver on an etcd, without nodes, scheduler and controllers.
//
// # Usage
//
// [Start] starts clusters that end with the test:
//
//	env := fairleadtest.Start(t, fairleadtest.HubAndMembers(2)...)
//	member := env.Cluster("member-1")
//	proxy, err := member.NewProxy()         // the network to this member
//	...
//	run(t, env.Cluster("hub").Config(), proxy.Config())
//	proxy.Cut()                             // the member is unreachable
//	err = member.ExpireWatches(t.Context()) // and its watches cannot go on: 410 Gone
//	err = proxy.Restore()                   // it is back
//
// [New] does the same outside of tests, bounded by a context, and [Env.Close] ends it.
// [Kubeconfig] and [WriteKubeconfig] make one kubeconfig of several clusters and proxies.
//
// The servers' programs come from KUBEBUILDER_ASSETS, from where setup-envtest puts them,
// or from a cache that [Assets] and the command control-plane fill:
//
//	go run github.com/fairlead-dev/fairlead/fairleadtest/control-plane
//
// # What can be broken
//
//   - [Proxy]: the network. Cut, Reset, BlackHole, Slow, Restore.
//   - [Cluster.Stop], [Cluster.Kill], [Cluster.Start], [Cluster.Restart]: the servers are
//     off. Address and data stay.
//   - [Cluster.StartStandby], [Cluster.FailOver]: another API server on the same etcd takes
//     the place of the one that serves, which is killed.
//   - [Cluster.Pause], [Cluster.Resume]: the API server hangs, but its port accepts.
//   - [Cluster.Compact], [Cluster.ExpireWatches]: old resourceVersions are answered with
//     410 Gone.
//   - [Cluster.Backup], [Cluster.Restore]: history goes back.
//   - [Cluster.FillEtcd], [Cluster.MakeRoom]: etcd is full, and takes no write.
//   - [Cluster.RotateCA]: credentials from before are refused.
//   - [Spec.APIServerFlags]: what a flag can do, for example --watch-cache=false.
//
// # Guarantees
//
//   - Every server listens on the loopback only and starts with its own CA.
//   - A cluster keeps its port while it is stopped, and so does a proxy that is cut: on
//     Linux nothing else can take it meanwhile.
//   - Everything started ends: with Close, with the test, and on Linux with the process,
//     also when that is killed.
//
// # Concurrency
//
// Starting, stopping and breaking one Cluster or Proxy is for one goroutine at a time;
// different ones may be handled at once. Name, URL, Config, User and Kubeconfig may be
// called at any time from any goroutine.
//
// # Limits
//
// A control plane takes 0.3 GB of memory and some seconds of CPU to start. Share one
// between the tests of a package, with a namespace for each test
// ([Cluster.NewNamespace]).
//
// What needs a controller does not happen: a Deployment makes no Pods, an owner that is
// deleted takes nothing with it, and a deleted namespace stays Terminating.
//
// Windows is not supported: the servers are processes that are stopped with signals.
package fairleadtest
