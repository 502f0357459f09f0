package testkubelet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// NodeName is the name of a [Node]: the spec.nodeName of its Pods.
const NodeName = "node"

// Process is what a Pod of a node is.
type Process struct {
	Log     string // path of the file that holds what it writes; "" if it writes nothing
	Address string // host:port that all its ports lead to
}

// Node is a node that is registered in a cluster.
type Node struct {
	t    testing.TB
	ends context.Context //nolint:containedctx // That of the test: it ends requests.

	mu   sync.Mutex
	pods map[string]pod // by namespace/name
}

type pod struct {
	Process

	ended     chan struct{}
	followers *atomic.Int32 // of its log, so far
}

// Start registers a node in the cluster that config leads to, as one who may do so. It
// ends with the test.
func Start(t testing.TB, config *rest.Config) *Node {
	t.Helper()
	ends, end := context.WithCancel(context.WithoutCancel(t.Context()))
	n := &Node{t: t, ends: ends, pods: map[string]pod{}}
	server := httptest.NewTLSServer(http.HandlerFunc(n.serve))
	t.Cleanup(func() {
		end()
		server.Close()
	})
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	node, err := client.Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: NodeName}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("register a node: %v", err)
	}
	address := server.Listener.Addr().(*net.TCPAddr)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address.IP.String()}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(address.Port)
	if _, err := client.Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatalf("say where the node is: %v", err)
	}
	return n
}

// Run says what a Pod is from now on.
func (n *Node) Run(namespace, name string, p Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pods[namespace+"/"+name] = pod{Process: p, ended: make(chan struct{}), followers: new(atomic.Int32)}
}

// Followers returns how many have begun to follow a Pod's log.
func (n *Node) Followers(namespace, name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.pods[namespace+"/"+name]; ok {
		return int(p.followers.Load())
	}
	return 0
}

// End says that a Pod has ended: whoever follows its log gets the rest of it. A Pod is
// ended once.
func (n *Node) End(namespace, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.pods[namespace+"/"+name].ended)
}

func (n *Node) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 3 || parts[0] != "containerLogs" && parts[0] != "portForward" {
		n.t.Errorf("the API server asks the node for %s, which it does not have", r.URL)
		http.NotFound(w, r)
		return
	}
	n.mu.Lock()
	p, ok := n.pods[parts[1]+"/"+parts[2]]
	n.mu.Unlock()
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("Pod %s/%s does not run here", parts[1], parts[2]), http.StatusNotFound)
	case parts[0] == "portForward":
		n.forward(w, r, p.Address)
	default:
		n.logs(w, r, p)
	}
}
