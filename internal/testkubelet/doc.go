// Package testkubelet is the node of a test's cluster, for what an API server asks a kubelet.
//
//	kubectl logs, kubectl fairlead ──▶ API server ──▶ Node ──▶ the file and the address of a process of this machine
//
// A [Node] runs nothing: a test starts what a Pod is, and says with [Node.Run] where it writes
// its log and where it listens. The node has the endpoints for logs, also followed ones, and
// for port forwarding, which goes to the one address, whatever port is asked for. Any
// other request fails the test. It does not ask who calls, so it listens on loopback only.
//
// The methods may be called concurrently.
package testkubelet
