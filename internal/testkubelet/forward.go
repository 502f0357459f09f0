package testkubelet

import (
	"fmt"
	"io"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// forward connects the two streams of a forwarded connection to an address.
func (n *Node) forward(w http.ResponseWriter, r *http.Request, to string) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		n.t.Error(err)
		return
	}
	streams := make(chan httpstream.Stream, 2)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		n.t.Error("no upgrade")
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
	target, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", to)
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
