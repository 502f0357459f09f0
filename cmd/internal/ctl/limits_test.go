package ctl

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What no program would take is refused by the command itself, which asks none.
func TestLimitsThatAreNone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it asks for %s", r.URL) }))
	defer server.Close()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"limits", "edge-1", "--qps=-1"}, "--qps -1: give changes per second"},
		{[]string{"limits", "edge-1", "--qps=NaN"}, "--qps NaN"},
		{[]string{"limits", "edge-1", "--qps=Inf"}, "--qps +Inf"},
		{[]string{"limits", "edge-1", "--burst=0"}, "--burst 0: give a whole number"},
		{[]string{"limits", "edge-1", "--weight=-2"}, "--weight -2"},
		{[]string{"limits", "edge-1", "--reset", "--qps=1"}, "no others with it"},
		{[]string{"limits", "--stream=edge-1", "--qps=1"}, "CLUSTER/RESOURCE"},
		{[]string{"limits", "--stream=/pods"}, "CLUSTER/RESOURCE"},
		{[]string{"limits", "--stream=edge-1/", "--reset"}, "CLUSTER/RESOURCE"},
		{[]string{"limits", "--stream="}, "--stream is empty"},
		{[]string{"limits", "--route= ", "--qps=1"}, "--route is empty"},
		{[]string{"limits", " "}, "empty"},
		{[]string{"pause", "--stream=edge-1"}, "CLUSTER/RESOURCE"},
		{[]string{"resume", "--stream=pods"}, "CLUSTER/RESOURCE"},
	} {
		cmd := map[string]func() *cobra.Command{"limits": NewLimits, "pause": NewPause, "resume": NewResume}[tc.args[0]]()
		cmd.SetArgs(append(tc.args[1:], "--admin="+server.URL))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(t.Context())
		if end, ok := errors.AsType[*ExitError](err); !ok || end.Code != ExitUnasked || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q ends with %v, want %q", tc.args, err, tc.want)
		}
	}
}

// Names of clusters may have slashes anywhere, as contexts of kubeconfigs have.
func TestStreamsOfNamesWithSlashes(t *testing.T) {
	for stream, ok := range map[string]bool{
		"edge-1/pods": true, "/api-crc-testing:6443/kube:admin/pods": true, "a/b/pods": true, "a/": false, "/a": false, "/": false, "a": false, "//": false,
	} {
		of := target{stream: stream}
		if q, err := of.query(nil); (err == nil) != ok || ok && q.Get("stream") != stream {
			t.Errorf("%q: %v, %v", stream, q, err)
		}
	}
}
