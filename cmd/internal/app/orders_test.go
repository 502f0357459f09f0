package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// fakeKeeper keeps in memory, and can fail.
type fakeKeeper struct {
	mu   sync.Mutex
	kept map[string]string
	err  error
}

func newFakeKeeper() *fakeKeeper { return &fakeKeeper{kept: map[string]string{}} }

func (k *fakeKeeper) Kept() map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.kept)
}

func (k *fakeKeeper) Keep(key, value string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if value == "" {
		delete(k.kept, key)
	} else {
		k.kept[key] = value
	}
	return nil
}

func (k *fakeKeeper) FlushKept(context.Context) error { return k.err }

func ordersOver(t *testing.T, k *fakeKeeper) *orders {
	t.Helper()
	o := newOrders(logr.Discard(), newLimiter(clusterLimits{}))
	o.load(k)
	t.Cleanup(o.close)
	return o
}

func names(pauses []api.Pause) (all []string) {
	for _, p := range pauses {
		all = append(all, p.String())
	}
	return all
}

// A pause ends when its time is over, also if the program was down then, and one without a
// time does not; the others' times are not changed by it.
func TestPausesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		o := ordersOver(t, k)
		now := time.Now()
		for minutes, of := range []api.Target{{Route: "stdout:"}, {Cluster: "a"}, {Cluster: "a", Resource: "pods"}, {Cluster: "b"}} {
			p := api.Pause{Target: of, Mode: api.PauseHold, Order: api.Order{Since: now}}
			if minutes > 0 {
				p.Until = now.Add(time.Duration(minutes) * time.Minute)
			}
			if why, err := o.pause(t.Context(), p); why != "" || err != nil {
				t.Fatal(why, err)
			}
		}
		want := func(after time.Duration, o *orders, wanted ...string) {
			t.Helper()
			time.Sleep(time.Until(now.Add(after)))
			synctest.Wait()
			if diff := cmp.Diff(wanted, names(o.paused())); diff != "" {
				t.Errorf("after %v (-want +got):\n%s", after, diff)
			}
			if len(k.Kept()) != len(wanted) {
				t.Errorf("after %v the ledger keeps %v", after, k.Kept())
			}
		}
		want(30*time.Second, o, "cluster a", "cluster b", "route stdout:", "stream a/pods")
		want(61*time.Second, o, "cluster b", "route stdout:", "stream a/pods")
		o.close()
		time.Sleep(time.Minute) // it is down, and the pause of the stream ends
		again := ordersOver(t, k)
		want(2*time.Minute+2*time.Second, again, "cluster b", "route stdout:")
		want(time.Hour, again, "route stdout:")
	})
}

// Limits end likewise.
func TestLimitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		o := ordersOver(t, k)
		qps, weight := 7.0, 3
		if _, err := o.limit(t.Context(), api.LimitsOrder{Target: api.Target{Cluster: "a"}, QPS: &qps}); err != nil {
			t.Fatal(err)
		}
		l := api.LimitsOrder{Target: api.Target{Cluster: "a"}, Weight: &weight}
		l.Until = time.Now().Add(time.Minute)
		if _, err := o.limit(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		for _, each := range []*orders{o, ordersOver(t, k)} {
			if now := each.limiter.describe(api.Target{Cluster: "a"}); now.QPS.Effective != 7 || now.Weight.Effective != 3 || now.QPS.Declared != 0 || now.Weight.Declared != 1 {
				t.Errorf("limits: %+v", now)
			}
		}
		time.Sleep(2 * time.Minute)
		if now := o.limiter.describe(api.Target{Cluster: "a"}); now.QPS.Effective != 0 || now.Weight.Effective != 1 || now.Order != nil || len(k.Kept()) != 0 {
			t.Errorf("limits after that: %+v, kept %v", now, k.Kept())
		}
	})
}

// The configuration file may change while there are other limits; these stay.
func TestOrderedLimitsOutliveTheFlags(t *testing.T) {
	o := ordersOver(t, newFakeKeeper())
	qps := 7.0
	if _, err := o.limit(t.Context(), api.LimitsOrder{Target: api.Target{Cluster: "a"}, QPS: &qps}); err != nil {
		t.Fatal(err)
	}
	flags := clusterLimits{}
	flags.limit.QPS, flags.limit.Burst = 100, 50
	o.limiter.change(flags)
	if now := o.limiter.describe(api.Target{Cluster: "a"}); now.QPS != (api.Limit{Declared: 100, DeclaredBy: "flags", Effective: 7}) || now.Burst.Effective != 50 {
		t.Errorf("limits: %+v", now)
	}
	if was, why := o.resetLimits(t.Context(), api.Target{Cluster: "a"}, "me"); !was || why != "" || o.limiter.describe(api.Target{Cluster: "a"}).QPS.Effective != 100 {
		t.Errorf("reset: %q, %+v", why, o.limiter.describe(api.Target{Cluster: "a"}))
	}
}

// Limits of streams and routes end likewise, are known after a restart beside those that a
// version kept which knew of clusters only, and reach the queues of every engine.
func TestLimitsOfStreamsAndRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKeeper()
		k.kept["limits a"] = `{"cluster":"a","qps":7,"by":"anna","since":"2026-11-01T00:00:00Z"}`
		o, qps := ordersOver(t, k), 3.0
		stream, route := api.Target{Cluster: "a", Resource: "pods"}, api.Target{Route: "stdout:"}
		for _, of := range []api.Target{stream, route} {
			l := api.LimitsOrder{Target: of, QPS: &qps}
			if of == route {
				l.Until = time.Now().Add(time.Minute)
			}
			if why, err := o.limit(t.Context(), l); why != "" || err != nil {
				t.Fatal(why, err)
			}
		}
		for _, each := range []*orders{o, ordersOver(t, k)} {
			for of, want := range map[api.Target]float64{{Cluster: "a"}: 7, stream: 3, route: 3, {Cluster: "a", Resource: "events"}: 0, {Route: "other"}: 0} {
				if now := each.limiter.describe(of); now.QPS.Effective != want || now.Target != of {
					t.Errorf("limits of %v: %+v", of, now)
				}
			}
		}
		// A version that knows clusters only takes none of the others for one of these.
		for key, value := range k.Kept() {
			var before struct{ Cluster string }
			if err := json.Unmarshal([]byte(value), &before); err != nil || before.Cluster != "" && key == keptLimits+before.Cluster && key != "limits a" {
				t.Errorf("%q: %s, %v", key, value, err)
			}
		}
		time.Sleep(2 * time.Minute)
		if o.limiter.describe(route).QPS.Effective != 0 || o.limiter.describe(stream).QPS.Effective != 3 || len(k.Kept()) != 2 {
			t.Errorf("after its time: %+v, kept %v", o.limiter.describe(route), k.Kept())
		}
	})
}

// What a later version has kept is left alone.
func TestOrdersThatCannotBeRead(t *testing.T) {
	k := newFakeKeeper()
	k.kept = map[string]string{"pause cluster a": "{", "pause cluster b": `{"cluster":"c"}`, "limits a": `{"qps":"x"}`, "limits b": `{"cluster":"b","qps":-1}`, "other": "x"}
	before := k.Kept()
	o := ordersOver(t, k)
	if len(o.paused()) != 0 || len(o.limitOrders()) != 0 {
		t.Errorf("in effect: %v, %v", o.paused(), o.limitOrders())
	}
	if diff := cmp.Diff(before, k.Kept()); diff != "" {
		t.Error(diff)
	}
}

// The largest order fits into the ledger, and as many as there may be.
func TestOrdersFitIntoTheLedger(t *testing.T) {
	long := strings.Repeat("\"", mostOrderText) // escaped, it is twice as long
	p := api.Pause{Target: api.Target{Cluster: strings.Repeat("\"", 2*mostOrderText), Resource: strings.Repeat("\"", 2*mostOrderText)}, Mode: api.PauseHold,
		Order: api.Order{By: long, Reason: long, Since: time.Now(), Until: time.Now()}}
	if text := must(json.Marshal(p))(t); len(text)+len(keptPause+p.String()) > ledger.MostKeptBytes {
		t.Errorf("a pause takes %d bytes", len(text)+len(keptPause+p.String()))
	}
	o := ordersOver(t, newFakeKeeper())
	for i := range mostOrders {
		if _, err := o.pause(t.Context(), api.Pause{Target: api.Target{Cluster: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.pause(t.Context(), api.Pause{Target: api.Target{Cluster: "more"}}); !errors.Is(err, errManyOrders) {
		t.Errorf("one more: %v", err)
	}
}

func TestOrdersOverTheAdminAddress(t *testing.T) {
	k := newFakeKeeper()
	a := &admin{
		members: func() []sources.MemberStatus {
			return []sources.MemberStatus{
				{Connection: connection.Status{Cluster: "alpha"}, Streams: []stream.Status{{Stream: "deploy", Resource: "deployments.apps"}, {Stream: "wigs"}}},
				{Connection: connection.Status{Cluster: "arn:aws:eks:eu:1:cluster/prod"}, Streams: []stream.Status{{Stream: "pods", Resource: "pods"}}},
				{Connection: connection.Status{Cluster: "arn:aws:eks:eu:1:cluster"}, Streams: []stream.Status{{Stream: "prod/pods", Resource: "prod/pods"}}},
				{Connection: connection.Status{Cluster: "beta"}, Streams: []stream.Status{
					{Stream: "cm?namespace=a", Resource: "configmaps"}, {Stream: "cm?namespace=b", Resource: "configmaps"},
				}},
			}
		},
		routes: []string{"stdout:"}, orders: ordersOver(t, k), log: logr.Discard(),
	}
	var logged strings.Builder // by one request after another
	a.orders.log = funcr.New(func(_, line string) { logged.WriteString(line + "\n") }, funcr.Options{})
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	ask := func(method, path string, query ...string) (int, string) {
		t.Helper()
		q := url.Values{}
		for i := 0; i < len(query); i += 2 {
			q.Add(query[i], query[i+1])
		}
		req := must(http.NewRequestWithContext(t.Context(), method, s.URL+path+"?"+q.Encode(), nil))(t)
		req.Close = true
		resp := must(http.DefaultClient.Do(req))(t)
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
	}
	for _, test := range []struct {
		path  string
		query []string
		code  int
		want  string
	}{
		{"/pause", nil, 400, "one of"},
		{"/pause", []string{"cluster", "alpha", "route", "stdout:"}, 400, "one of"},
		{"/pause", []string{"cluster", "gamma"}, 404, `"alpha"`},
		{"/pause", []string{"route", "file:x"}, 404, `"stdout:"`},
		{"/pause", []string{"stream", "alpha"}, 400, "CLUSTER/RESOURCE"},
		{"/pause", []string{"stream", "alpha/pods"}, 404, "deployments.apps"},
		{"/pause", []string{"stream", "alpha/wigs"}, 404, "has not been found to serve"},
		{"/pause", []string{"cluster", "alpha", "for", "soon"}, 400, "such as 30m"},
		{"/pause", []string{"cluster", "alpha", "for", "-1s"}, 400, "such as 30m"},
		{"/pause", []string{"cluster", "alpha", "for", "100000h"}, 400, "such as 30m"},
		{"/pause", []string{"cluster", "alpha", "mode", "halt"}, 400, "hold and stop"},
		{"/pause", []string{"route", "stdout:", "mode", "stop"}, 400, "mode=hold"},
		{"/pause", []string{"cluster", "alpha", "reason", strings.Repeat("x", 201)}, 400, "at most 200"},
		{"/pause", []string{"cluster", "alpha", "reason", "a\x1b[2Jb"}, 400, "printed"},
		{"/pause", []string{"cluster", "alpha", "by", "a\nb"}, 400, "printed"},
		{"/pause", []string{"cluster", "alpha", "by", "\xff"}, 400, "printed"},
		{"/pause", []string{"cluster", strings.Repeat("x", 5000)}, 400, "at most"},
		{"/pause", []string{"cluster", "alpha", "colour", "red"}, 400, "colour"},
		{"/resume", []string{"cluster", "alpha"}, 404, "is not paused"},
		{"/pause", []string{"stream", "alpha/deploy", "reason", "<b>", "by", "me", "for", "1h"}, 200, `"resource": "deployments.apps"`},
		{"/resume", []string{"cluster", "alpha"}, 404, "stream alpha/deployments.apps"},
		{"/resume", []string{"stream", "alpha/deployments.apps"}, 200, `"by": "me"`},
		{"/pause", []string{"stream", "arn:aws:eks:eu:1:cluster/prod/pods"}, 200, `"cluster": "arn:aws:eks:eu:1:cluster/prod"`},
		{"/resume", []string{"stream", "arn:aws:eks:eu:1:cluster/prod/pods", "by", "a\nb"}, 400, "printed"},
		{"/resume", []string{"stream", "arn:aws:eks:eu:1:cluster/prod/pods", "by", "who resumes"}, 200, `"cluster": "arn:aws:eks:eu:1:cluster/prod"`},
		{"/pause", []string{"stream", "beta/cm?namespace=a"}, 409, "pause beta/configmaps"},
		{"/pause", []string{"stream", "beta/configmaps"}, 200, `"resource": "configmaps"`},
		{"/resume", []string{"stream", "beta/cm?namespace=a"}, 409, "resume beta/configmaps"},
		{"/resume", []string{"stream", "beta/configmaps"}, 200, `"resource": "configmaps"`},
		{"/pause", []string{"route", "stdout:"}, 200, `"mode": "hold"`},
		{"/limits", []string{"cluster", "gamma", "qps", "1"}, 404, `"alpha"`},
		{"/limits", []string{"qps", "1"}, 400, "one of"},
		{"/limits", []string{"cluster", "alpha"}, 400, "which limit"},
		{"/limits", []string{"cluster", "alpha", "qps", "-1"}, 400, "qps"},
		{"/limits", []string{"cluster", "alpha", "qps", "NaN"}, 400, "qps"},
		{"/limits", []string{"cluster", "alpha", "burst", "0"}, 400, "burst"},
		{"/limits", []string{"cluster", "alpha", "weight", strings.Repeat("9", 4000)}, 400, "weight"},
		{"/limits", []string{"cluster", "alpha", "reset", "true", "qps", "1"}, 400, "no others"},
		{"/limits", []string{"cluster", "alpha", "qps", "5", "burst", "2"}, 200, `"effective": 5`},
		{"/limits", []string{"cluster", "alpha", "reset", "true", "by", "who resets"}, 200, `"effective": 0`},
		{"/limits", []string{"cluster", "gamma", "reset", "true"}, 404, `"alpha"`},
		{"/limits", []string{"route", "stdout:", "cluster", "alpha", "qps", "1"}, 400, "one of"},
		{"/limits", []string{"route", "file:x", "qps", "1"}, 404, `"stdout:"`},
		{"/limits", []string{"route", "stdout:", "weight", "2"}, 400, "only clusters"},
		{"/limits", []string{"route", "stdout:", "burst", "2"}, 409, "give qps"},
		{"/limits", []string{"route", "stdout:", "qps", "0"}, 409, "reset"},
		{"/limits", []string{"route", "stdout:", "qps", "4"}, 200, `"effective": 4`},
		{"/limits", []string{"route", "stdout:", "qps", "0"}, 409, "reset"},
		{"/limits", []string{"route", "stdout:", "burst", "2"}, 200, `"effective": 2`},
		{"/limits", []string{"route", "stdout:", "reset", "true"}, 200, `"effective": 0`},
		{"/limits", []string{"stream", "alpha/pods", "qps", "1"}, 404, "deployments.apps"},
		{"/limits", []string{"stream", "beta/cm?namespace=a", "qps", "1"}, 409, "limit beta/configmaps"},
		{"/limits", []string{"stream", "beta/configmaps", "qps", "1"}, 200, `"effective": 1`},
		{"/limits", []string{"stream", "beta/cm?namespace=a", "reset", "true"}, 409, "reset beta/configmaps"},
		{"/limits", []string{"stream", "beta/cm?namespace=a", "reset", "true"}, 409, "namespace=b"},
		{"/limits", []string{"stream", "beta/configmaps", "reset", "true"}, 200, `"declaredBy": "nothing"`},
		{"/limits", []string{"stream", "alpha/deploy", "qps", "6"}, 200, `"resource": "deployments.apps"`},
		{"/limits", []string{"stream", "alpha/deployments.apps", "reset", "true"}, 200, `"effective": 0`},
	} {
		code, body := ask(http.MethodPost, test.path, test.query...)
		if code != test.code || !strings.Contains(body, test.want) || len(body) > 2000 {
			t.Errorf("%s %.80q: %d, %.300s; want %d, %s", test.path, test.query, code, body, test.code, test.want)
		}
	}
	for _, who := range []string{`"resumedBy"="who resumes"`, `"by"="who resets"`} {
		if !strings.Contains(logged.String(), who) {
			t.Errorf("the log does not tell %s:\n%s", who, logged.String())
		}
	}
	if code, body := ask(http.MethodGet, "/limits", "cluster", "alpha"); code != 200 || !strings.Contains(body, "declaredBy") {
		t.Errorf("GET /limits: %d, %s", code, body)
	}
	if code, body := ask(http.MethodGet, "/limits"); code != 200 || !strings.Contains(body, `"orders": []`) {
		t.Errorf("GET /limits without any order: %d, %s", code, body)
	}
	left := api.Target{Cluster: "has left", Resource: "pods"}
	if _, err := a.orders.limit(t.Context(), api.LimitsOrder{Target: left, QPS: new(3.0)}); err != nil {
		t.Fatal(err)
	}
	if code, body := ask(http.MethodGet, "/limits", "stream", "has left/pods"); code != 200 || !strings.Contains(body, `"effective": 3`) {
		t.Errorf("GET /limits of what has left: %d, %s", code, body)
	}
	if code, body := ask(http.MethodPost, "/limits", "stream", "has left/pods", "reset", "true"); code != 200 || !strings.Contains(body, `"effective": 0`) {
		t.Errorf("a reset of what has left: %d, %s", code, body)
	}
	k.err = errors.New("disk full")
	if code, body := ask(http.MethodPost, "/pause", "cluster", "alpha"); code != 202 || !strings.Contains(body, "disk full") {
		t.Errorf("with a ledger that fails: %d, %s", code, body)
	}
	out, err := command(t, "resume", "alpha", "--admin="+s.URL)
	if err == nil || !strings.Contains(err.Error(), "not stored yet") || !strings.Contains(out, "Resumed") {
		t.Errorf("the command: %q, %v", out, err)
	}
	k.err = nil
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"limits", "alpha", "--qps=9", "--reason=slow"}, "qps"},
		{[]string{"limits", "alpha"}, "slow"},
		{[]string{"limits", "--stream=alpha/deploy", "--qps=3", "--for=1h"}, "qps"},
		{[]string{"limits"}, "stream alpha/deployments.apps   3     -       -        20"},
		{[]string{"limits"}, "cluster alpha"},
		{[]string{"limits", "-o=json"}, `"resource": "deployments.apps"`},
		{[]string{"pause", "alpha", "--for=1h", "-o=json"}, `"mode": "hold"`},
		{[]string{"resume", "alpha"}, "Resumed   cluster alpha"},
	} {
		if out, err := command(t, append(test.args, "--admin="+s.URL)...); err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%v: %q, %v", test.args, out, err)
		}
	}
}
