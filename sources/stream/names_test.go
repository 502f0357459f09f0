package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestCheckNames(t *testing.T) {
	label, name := strings.Repeat("a", 63), strings.Repeat("a", 49)+".example.com"
	subdomain := strings.Repeat("a.", 126) + "a"
	for _, good := range [][4]string{
		{"", "v1", "pods", "Pod"}, {"apps", "v1beta2", "deployments", "Deployment"}, {name, "v1", label, strings.ToUpper(label)},
		{subdomain, "v1", "a", "K"}, {"x.io", "v2alpha1", "3-things", "My-Kind2"},
	} {
		if err := checkNames(gvrOf(good), good[3]); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][4]string{
		{"Apps", "v1", "pods", "Pod"}, {"a..b", "v1", "pods", "Pod"}, {"../x", "v1", "pods", "Pod"}, {subdomain + ".b", "v1", "pods", "Pod"}, {"a/b", "v1", "pods", "Pod"},
		{"", "", "pods", "Pod"}, {"", "v1/x", "pods", "Pod"}, {"", "V1", "pods", "Pod"}, {"", label + "a", "pods", "Pod"}, {"", "v1\n", "pods", "Pod"},
		{"", "v1", "", "Pod"}, {"", "v1", "pods/log", "Pod"}, {"", "v1", "..", "Pod"}, {"", "v1", label + "a", "Pod"}, {"", "v1", "pods.x", "Pod"}, {"", "v1", "p\x00ds", "Pod"},
		{"", "v1", "pods", ""}, {"", "v1", "pods", "Pod\n"}, {"", "v1", "pods", `P"`}, {"", "v1", "pods", "\u212aind"}, {"", "v1", "pods", "-"}, {"", "v1", "pods", label + "a"},
		{"", "v1", "pods", "P\xffd"}, {"", "v1", "pods", "Pod\u202e"},
		{"", "v1", strings.Repeat("A", 4<<20), "Pod"}, {"", "v1", "pods", strings.Repeat(`"`, 4<<20)},
	} {
		err := checkNames(gvrOf(bad), bad[3])
		if !errors.Is(err, errNames) {
			t.Errorf("%.100q: %v", bad, err)
			continue
		}
		if s := err.Error(); len(s) > 400 || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x00\u202e") {
			t.Errorf("%.100q: the error is not fit to be shown: %.500q", bad, s)
		}
	}
}

func gvrOf(names [4]string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: names[0], Version: names[1], Resource: names[2]}
}

// TestNamesFromDiscoveryThatAreNone has a member whose discovery names are no
// names: the stream says so, asks for nothing under them, and goes on when they
// are mended.
func TestNamesFromDiscoveryThatAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good string
		// Set before the stream begins, which would remember what cm means otherwise.
		h := start(t, func(o *Options) {
			server := o.Connection.(*fakeConnection).server
			good = server.docs["/api/v1"]
			server.set("/api/v1", fmt.Sprintf(`{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":%q,"singularName":"cm","namespaced":true,"kind":"ConfigMap","verbs":["list","watch"]}]}`, strings.Repeat("A", 4<<20)))
		})
		s := h.wantState(member.BackingOff)
		if s.Resource != "" || s.Reconnects["malformed"] != 1 || !strings.Contains(s.LastError, `the resource "AAAA`) || len(s.LastError) > 400 {
			t.Errorf("status: %.1000v", s)
		}
		if err := h.conn.lastReport(); err != nil {
			t.Errorf("reported %.400v to the connection, but the server answered", err)
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(NewCollector(func() []Status { return []Status{h.stream.Status()} }))
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if n := len(family.String()); n > 10_000 {
				t.Errorf("%s has %d bytes", family.GetName(), n)
			}
		}
		h.server.set("/api/v1", good)
		h.call("streaming list").open().send(event("ADDED", "a", 1), endMark("10"))
		h.want(true, "added a uid-a@1 snapshot")
		h.wantState(member.Live)
	})
}
