package app

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// fakeKubelet is what an API server forwards ports through: a node whose Pods have no
// containers. It is no kubelet: it has the endpoint for port forwarding, which goes to
// an address of this machine for each Pod, whatever port is asked for, and one for logs.
type fakeKubelet struct {
	t    *testing.T
	pods corev1client.PodInterface
	node string
	log  string // of each Pod

	mu sync.Mutex
	to map[string]string // addresses, by Pod
}

func newFakeKubelet(t *testing.T, c *testenv.Cluster, ns string) *fakeKubelet {
	t.Helper()
	core := must(corev1client.NewForConfig(c.Config()))(t)
	k := &fakeKubelet{t: t, pods: core.Pods(ns), node: "node", to: map[string]string{}}
	server := httptest.NewTLSServer(http.HandlerFunc(k.serve))
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().(*net.TCPAddr)
	node := must(core.Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.node}}, metav1.CreateOptions{}))(t)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: addr.IP.String()}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(addr.Port)
	_ = must(core.Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}))(t)
	return k
}

// run makes a Pod that runs, whose ports are all at an address.
func (k *fakeKubelet) run(name, address string, labels map[string]string) {
	k.t.Helper()
	pod := must(k.pods.Create(k.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: k.node, Containers: []corev1.Container{{Name: "fairlead", Image: "fairlead"}}},
	}, metav1.CreateOptions{}))(k.t)
	pod.Status.Phase = corev1.PodRunning
	_ = must(k.pods.UpdateStatus(k.t.Context(), pod, metav1.UpdateOptions{}))(k.t)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.to[name] = address
}

// rename changes the name in the labels of all Pods that have one.
func (k *fakeKubelet) rename(name string) {
	k.t.Helper()
	const label = "app.kubernetes.io/name"
	list := must(k.pods.List(k.t.Context(), metav1.ListOptions{LabelSelector: label}))(k.t)
	for i := range list.Items {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, label, name)
		_ = must(k.pods.Patch(k.t.Context(), list.Items[i].Name, types.MergePatchType, patch, metav1.PatchOptions{}))(k.t)
	}
}

func (k *fakeKubelet) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) == 4 && parts[0] == "containerLogs" {
		if r.URL.Query().Get("previous") == "true" {
			http.Error(w, "there was none before", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, k.log)
		return
	}
	if len(parts) < 3 || parts[0] != "portForward" {
		k.t.Errorf("the API server asks for %s", r.URL)
		http.NotFound(w, r)
		return
	}
	k.mu.Lock()
	to := k.to[parts[2]]
	k.mu.Unlock()
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		k.t.Error(err)
		return
	}
	streams := make(chan httpstream.Stream, 2)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		k.t.Error("no upgrade")
		return
	}
	defer func() { _ = conn.Close() }()
	byType := map[string]httpstream.Stream{}
	for range 2 {
		select {
		case s := <-streams:
			byType[s.Headers().Get(corev1.StreamType)] = s
		case <-conn.CloseChan():
			return
		}
	}
	errs, data := byType[corev1.StreamTypeError], byType[corev1.StreamTypeData]
	defer func() { _ = errs.Close() }()
	target, err := net.Dial("tcp", to)
	if err != nil {
		_, _ = fmt.Fprintf(errs, "an error occurred forwarding: %v", err)
		_, _ = errs.Close(), data.Close()
		<-conn.CloseChan()
		return
	}
	defer func() { _ = target.Close() }()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = io.Copy(data, target)
		_, _ = io.WriteString(errs, "an error occurred forwarding: connection reset by peer") // some say so of each end
		_ = data.Close()
	}()
	go func() { _, _ = io.Copy(target, data) }()
	select {
	case <-answered:
	case <-conn.CloseChan():
	}
}
