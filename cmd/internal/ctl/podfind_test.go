package ctl

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// hanging is a plugin for credentials that does not come to an end.
type hanging chan struct{}

func (h hanging) RoundTrip(*http.Request) (*http.Response, error) {
	<-h
	return nil, errors.New("ended")
}

// TestAHangingPluginHoldsNothing: who asks comes back when the time is over.
func TestAHangingPluginHoldsNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	plugin := make(hanging)
	defer close(plugin)
	opened := make(chan error, 1)
	go func() {
		h := hubFlags{namespace: "fairlead", lease: defaultLease, port: defaultPort}
		_, err := h.openBy(ctx, &rest.Config{Host: "http://127.0.0.1:1", WrapTransport: func(http.RoundTripper) http.RoundTripper { return plugin }})
		opened <- err
	}()
	select {
	case err := <-opened:
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "plugin") {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it hangs, too")
	}
}

func TestThePodOfAHost(t *testing.T) {
	long := strings.Repeat("a", 62)
	running := []string{"fairlead-0", long + "-7d9f-x2x4b", strings.Repeat("b", 63) + "-1", strings.Repeat("b", 63) + "-2"}
	for host, want := range map[string]string{
		"fairlead-0": "fairlead-0", "fairlead": "", "": "",
		long: running[1], strings.Repeat("a", 50): "",
		strings.Repeat("b", 63): "", // one of two
	} {
		if got := podOf(running, host); got != want {
			t.Errorf("host %q is of Pod %q, want %q", host, got, want)
		}
	}
}
