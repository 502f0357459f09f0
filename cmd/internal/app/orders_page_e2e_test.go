package app

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testButtonsOnAMember has some of a real cluster delivered again, and one of its streams paused and
// resumed, by the forms of the status page.
func testButtonsOnAMember(t *testing.T, env *testenv.Env) {
	const ns = "buttons"
	o := newObjects(t, env.Cluster("alpha"), ns)
	for _, name := range []string{"one", "two", "three"} {
		o.create(name)
	}
	o.label("two", "app", "web")
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--admin-bind-address=127.0.0.1:0", "--watch=configmaps?namespace="+ns)
	r.awaitSame(o)
	settled := func() bool {
		s := r.cluster("alpha").Streams
		return r.streamsLive("alpha") && len(s) == 1 && s[0].Unacked == 0
	}
	r.await("all is delivered", settled)
	admin := "http://" + r.program.adminAddress.String()
	// press sends a form, and goes where the answer leads.
	press := func(do, says string, fields url.Values) {
		t.Helper()
		fields.Set("do", do)
		fields.Set("cluster", "alpha")
		fields.Set("resource", "configmaps")
		code, text, to := request(t, http.MethodPost, admin+"/status/order", fields, "Sec-Fetch-Site", "same-origin", "Origin", admin)
		if code == http.StatusSeeOther {
			code, text, _ = request(t, http.MethodGet, admin+to, nil)
		}
		if code != http.StatusOK || !strings.Contains(text, says) {
			t.Fatalf("%s: %d, does not say %q:\n%s", do, code, says, text)
		}
	}
	delivered, began := len(r.out.received()), snapshots(r, "alpha")
	press("count", "This would deliver 1 object of cluster alpha again", url.Values{"labels": {"app=web"}})
	press("replay", "Delivering 1 object of cluster alpha again", url.Values{"labels": {"app=web"}})
	r.await("the snapshot is over", func() bool { return snapshots(r, "alpha") > began && settled() })
	var again []string
	for _, e := range r.out.received()[delivered:] {
		again = append(again, e.Name)
	}
	if diff := cmp.Diff([]string{"two"}, again); diff != "" {
		t.Errorf("delivered again (-want +got):\n%s", diff)
	}

	press("pause", "Paused stream alpha/configmaps (stop) by anna (a test)", url.Values{"mode": {"stop"}, "reason": {"a test"}, "by": {"anna"}})
	r.await("the stream has no watch", func() bool { return r.cluster("alpha").Streams[0].State == "paused" })
	o.create("meanwhile")
	press("resume", "Resumed stream alpha/configmaps", url.Values{"by": {"ben"}})
	r.awaitSame(o)
	if got := names(r.program.orders.paused()); slices.Contains(got, "stream alpha/configmaps") {
		t.Errorf("paused: %q", got)
	}
}
