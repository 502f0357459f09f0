package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testbrowser"
	"github.com/fairlead-dev/fairlead/sources"
)

// buttonsProgram runs a program with two members that cannot be reached, which orders may be of all
// the same.
func buttonsProgram(t *testing.T) (r *running, health, admin string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	writeFile(t, path, `{apiVersion: v1, kind: Config, users: [{name: me, user: {token: t}}],
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1/a"}}], contexts: [{name: alpha, context: {cluster: a, user: me}}, {name: beta, context: {cluster: a, user: me}}]}`)
	r = start(t, "--clusters=kubeconfig:"+path, "--watch=pods", "--sink=stdout:", "--reconnect-min=1h", "--reconnect-max=1h", "--admin-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0",
		"--dead-letter="+filepath.Join(t.TempDir(), "dead"))
	r.await("both members are known", func() bool { return r.cluster("alpha").Name != "" && r.cluster("beta").Name != "" })
	return r, "http://" + r.program.healthAddress.String(), "http://" + r.program.adminAddress.String()
}

// request asks as a browser does, and does not follow where the answer leads.
func request(t *testing.T, method, address string, form url.Values, header ...string) (code int, text, to string) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode())))(t)
	req.Close = true
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp := must(http.DefaultTransport.RoundTrip(req))(t)
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header.Get("Location")
}

// TestButtons gives orders with the forms of the status page, on the admin address, and finds them
// as commands have given them. The health address takes none, and no other site's page is obeyed.
func TestButtons(t *testing.T) {
	r, health, admin := buttonsProgram(t)
	const view, order = "/status/clusters/alpha", "/status/order"
	pause := url.Values{"do": {"pause"}, "cluster": {"alpha"}, "resource": {""}, "mode": {"stop"}, "for": {"30m"}, "reason": {"the link"}, "by": {"anna"}}

	// The health address.
	if code, text, _ := request(t, http.MethodGet, health+view, nil); code != http.StatusOK || strings.Contains(text, `method="post"`) {
		t.Errorf("health: %d\n%s", code, text)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		for _, path := range []string{order, view, "/status", "/pause?cluster=alpha"} {
			if code, text, _ := request(t, method, health+path, pause, "Sec-Fetch-Site", "same-origin"); code != http.StatusMethodNotAllowed && code != http.StatusNotFound {
				t.Errorf("health, %s %s: %d %s", method, path, code, text)
			}
		}
	}

	// Other sites.
	for name, header := range map[string][]string{
		"another site":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://evil.example"},
		"another port":          {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
		"no site, another port": {"Origin", "http://127.0.0.1:1"},
		"no site, no origin":    {"Origin", "null"},
		"a name made up":        {"Sec-Fetch-Site", "same-origin", "Origin", "http://evil.example", "Host", "evil.example"},
		"a proxy's port":        {"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8001"},
		"a name, no site":       {"Origin", "http://evil.example:8082", "Host", "evil.example:8082"},
	} {
		if code, text, _ := request(t, http.MethodPost, admin+order, pause, header...); code != http.StatusForbidden || !json.Valid([]byte(text)) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if got := r.program.orders.paused(); len(got) != 0 {
		t.Fatalf("paused: %v", got)
	}

	// Ours, and others that browsers keep apart from it.
	if code, text, _ := request(t, http.MethodGet, admin+view, nil); code != http.StatusOK || !strings.Contains(text, `method="post" action="/status/order"`) {
		t.Errorf("admin: %d\n%s", code, text)
	}
	if code, text, _ := request(t, http.MethodPost, admin+"/pause?cluster=alpha", nil, "Sec-Fetch-Site", "same-origin", "Origin", admin); code != http.StatusForbidden {
		t.Errorf("what is for programs: %d %s", code, text)
	}
	code, text, to := request(t, http.MethodPost, admin+order, pause, "Sec-Fetch-Site", "same-origin", "Origin", admin)
	if code != http.StatusSeeOther || !strings.HasPrefix(to, view+"?result=") {
		t.Fatalf("%d to %q\n%s", code, to, text)
	}
	r.steer("pause", "beta", "--mode=stop", "--for=30m", "--reason=the link")
	got := r.program.orders.paused()
	if len(got) != 2 || got[0].By != "anna" || got[0].Until.Sub(got[0].Since) != got[1].Until.Sub(got[1].Since) {
		t.Fatalf("paused: %+v", got)
	}
	button, command := got[0], got[1]
	command.Cluster, command.By, command.Since, command.Until = "alpha", "anna", button.Since, button.Until
	if diff := cmp.Diff(command, button); diff != "" {
		t.Errorf("the button does not what the command does (-command +button):\n%s", diff)
	}
	resumes := func(text string) bool { return strings.Contains(text, ">Resume the cluster<") }
	if _, text, _ := request(t, http.MethodGet, admin+to, nil); !strings.Contains(text, "Paused cluster alpha (stop) by anna (the link) until ") || !resumes(text) {
		t.Errorf("%s tells:\n%s", to, text)
	}
	if _, text, _ := request(t, http.MethodGet, health+to, nil); strings.Contains(text, "Paused cluster alpha (stop) by anna (the link)") {
		t.Error("the health address tells what came of an order")
	}
	// A browser that says nothing of the site says where the page comes from.
	resume := url.Values{"do": {"resume"}, "cluster": {"alpha"}, "by": {"ben"}}
	code, text, to = request(t, http.MethodPost, admin+order, resume, "Origin", admin)
	if code != http.StatusSeeOther {
		t.Errorf("%d %s", code, text)
	}
	if _, text, _ := request(t, http.MethodGet, admin+to, nil); !strings.Contains(text, "Resumed cluster alpha") || resumes(text) {
		t.Errorf("%s tells:\n%s", to, text)
	}
	if got := r.program.orders.paused(); len(got) != 1 || got[0].Cluster != "beta" {
		t.Errorf("paused: %+v", got)
	}
	// What cannot be done is told.
	for want, form := range map[string]url.Values{
		"404 cluster alpha is not paused":                   resume,
		"404 has no stream of &#34;secrets&#34;":            {"do": {"pause"}, "cluster": {"alpha"}, "resource": {"secrets"}, "by": {"ben"}},
		"404 there is no cluster &#34;gamma&#34;":           {"do": {"pause"}, "cluster": {"gamma"}, "by": {"ben"}},
		"400 is no duration from 1s":                        {"do": {"pause"}, "cluster": {"alpha"}, "for": {"soon"}, "by": {"ben"}},
		"400 reason has 201 bytes":                          {"do": {"pause"}, "cluster": {"alpha"}, "reason": {strings.Repeat("a", 201)}, "by": {"ben"}},
		"400 a route has no watches of its own":             {"do": {"pause"}, "route": {"stdout:"}, "mode": {"stop"}, "by": {"ben"}},
		"200 This would deliver 0 objects of cluster alpha": {"do": {"count"}, "cluster": {"alpha"}, "resource": {"pods"}},
		"400 namespace=&#34;a/b&#34;":                       {"do": {"count"}, "cluster": {"alpha"}, "namespace": {"a/b"}},
	} {
		code, text, _ := request(t, http.MethodPost, admin+order, form, "Origin", admin)
		status, says, _ := strings.Cut(want, " ")
		if fmt.Sprint(code) != status || !strings.Contains(text, says) {
			t.Errorf("%v: %d, want %s:\n%s", form, code, want, text)
		}
	}
	// Dead letters.
	_, _, to = request(t, http.MethodPost, admin+order, url.Values{"do": {"retry"}, "route": {"stdout:"}}, "Origin", admin)
	if _, text, _ := request(t, http.MethodGet, admin+to, nil); !strings.Contains(text, "There are no dead letters.") {
		t.Errorf("%q tells:\n%s", to, text)
	}
}

// A follower does nothing, and says who leads.
func TestButtonsOfAFollower(t *testing.T) {
	p := &program{settings: parseWith(t, Options{Version: "v1"}, "--watch=pods", "--clusters=dir:/x"), log: logr.Discard(), members: newMembers()}
	p.page = p.newStatusPage()
	e := &api.Election{Role: "follower", Leader: "l", LeaderHost: "pod-1", LeaderAddress: "10.0.0.1:8081", Lock: "lease:x/y"}
	a := &admin{following: e.Following(), instead: e.AskLeader(), log: p.log}
	a.pages = p.actingPages(a.orderOfPage)
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8082/status/order", strings.NewReader("do=resume&cluster=alpha&by=anna"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, r)
	for _, want := range []string{"leader is l at 10.0.0.1:8081", "ask the leader, from within pod-1"} {
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d, does not say %q: %s", w.Code, want, w.Body)
		}
	}
	a.leader, a.toLeader = &api.Leader{Host: e.LeaderHost}, `kubectl "x"`
	w = httptest.NewRecorder()
	r.Body = io.NopCloser(strings.NewReader("do=resume&cluster=alpha&by=anna"))
	a.handler().ServeHTTP(w, r)
	for _, want := range []string{"<h1>Nothing was ordered</h1>", "<code>" + html.EscapeString(a.toLeader) + "</code>"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("does not say %q: %s", want, w.Body)
		}
	}
}

// The command that reaches the leader is of its real namespace, Pod and port, or there is none.
func TestCommandThatReachesTheLeader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "namespace")
	if err := os.WriteFile(file, []byte("events\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const label = "--leader-label=ops/fairlead-7"
	for name, c := range map[string]struct {
		flags      []string
		file, host string
		want       string
	}{
		"a label":                             {[]string{label}, file, "fairlead-1", `kubectl --namespace=ops port-forward "$(kubectl --namespace=ops get pod --selector=fairlead.dev/role=leader --output=name)" 9999`},
		"a Pod":                               {nil, file, "fairlead-1", "kubectl --namespace=events port-forward pod/fairlead-1 9999"},
		"no Pod":                              {nil, file + "x", "fairlead-1", ""},
		"a hostile host":                      {nil, file, "x; rm -rf /", ""},
		"no host":                             {nil, file, "", ""},
		"a host whose name may have been cut": {nil, file, strings.Repeat("a", 63), ""},
	} {
		flags := append([]string{"--watch=pods", "--clusters=dir:/x", "--leader-elect", "--leader-election-namespace=x"}, c.flags...)
		p := &program{settings: parseWith(t, Options{Version: "v1"}, flags...), adminAddress: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9999}}
		if got := p.toLeader(&api.Leader{Host: c.host}, c.file); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What has begun is not said to be nothing, and what has not is not said to be something.
func TestButtonsTellWhatIsNotStored(t *testing.T) {
	p := &program{settings: parseWith(t, Options{Version: "v1"}, "--watch=pods", "--clusters=dir:/x"), log: logr.Discard(), members: newMembers()}
	p.page = p.newStatusPage()
	const nothing, maybe = "<h1>Nothing was ordered</h1>", "<h1>It may have begun</h1>"
	for cause, title := range map[error]string{sources.ErrNotStored: maybe, errChanging: maybe, sources.ErrNotSurveyed: nothing} {
		a := &admin{log: p.log, replay: func(context.Context, replayRequest) (r sources.Replaying, _ error) { return r, cause }}
		a.pages = p.actingPages(a.orderOfPage)
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8082/status/order", strings.NewReader("do=replay&cluster=alpha"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		a.handler().ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), title) || !strings.Contains(w.Body.String(), cause.Error()) {
			t.Errorf("%d, want %s: %s", w.Code, title, w.Body)
		}
	}
}

// Browsers ask with OPTIONS whether a page of another site may send what forms cannot.
func TestOtherSitesMayNotAsk(t *testing.T) {
	for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodDelete} {
		r := httptest.NewRequest(method, "http://127.0.0.1:8082/status/order", nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "http://evil.example")
		if err := fromHere(r, true, ""); err == nil {
			t.Errorf("%s of another site is answered", method)
		}
	}
}

// Of a replay is told what it does, also if that is nothing.
func TestLineOfReplay(t *testing.T) {
	waiting := []api.Waiting{{Stream: "wigs", Reason: "resource gone"}}
	for want, r := range map[string]api.Replay{
		"Delivering all objects that it has of 2 streams of cluster a again.":                                            {Cluster: "a", Streams: 2},
		"Delivering 1 object of cluster a again.":                                                                        {Cluster: "a", Streams: 1, Objects: new(1)},
		"Nothing of cluster a is delivered again now. 1 stream cannot now, and begins when it can: wigs: resource gone.": {Cluster: "a", Waiting: waiting},
		"Nothing of cluster a is delivered again now. Nothing of 2 streams, such as wigs: resource gone.":                {Cluster: "a", Objects: new(0), Failed: append(waiting, waiting...)},
		"This would deliver 3 objects of cluster a again. They are those that sinks have accepted before.":               {Cluster: "a", Objects: new(3), DryRun: true},
	} {
		if got := lineOfReplay(&r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The operator may have given the admin address a name, which is one that no page has made up.
func TestNameOfTheAdminAddress(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:8082": "", ":8082": "", "[::1]:8082": "", "fairlead.internal:8082": "fairlead.internal", "0": ""} {
		if got := nameIn(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	for host, ok := range map[string]bool{"fairlead.internal:8082": true, "FAIRLEAD.internal": true, "x.fairlead.internal": false, "127.0.0.1": true, "": false} {
		r := httptest.NewRequest(http.MethodPost, "/status/order", nil)
		r.Host = host
		for _, ofPage := range []bool{true, false} {
			if err := fromHere(r, ofPage, "fairlead.internal"); (err == nil) != ok {
				t.Errorf("Host %q: %v", host, err)
			}
		}
	}
}

// TestButtonsInBrowser has a real browser press a button of a real program, and has a page of
// another site try the same.
func TestButtonsInBrowser(t *testing.T) {
	browser := testbrowser.Start(t)
	r, _, admin := buttonsProgram(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<form method="post" action="%s/status/order"><input name="do" value="pause"><input name="cluster" value="beta"><input name="by" value="x"><button>win</button></form>`, admin)
	}))
	defer evil.Close()
	_, port, err := net.SplitHostPort(r.program.adminAddress.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{evil.URL, strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)} {
		tab := browser.Open(t, address, testbrowser.Settings{})
		tab.Eval(t, `document.querySelector("button").click()`, nil)
		tab.Until(t, `location.port == "`+port+`" && document.readyState == "complete" && document.body.innerText.includes("refused")`)
		tab.Close(t)
	}
	if got := r.program.orders.paused(); len(got) != 0 {
		t.Fatalf("another site has paused %v", got)
	}
	for name, address := range map[string]string{"alpha": admin, "beta": "http://localhost:" + port} {
		tab := browser.Open(t, address+"/status/clusters/"+name, testbrowser.Settings{})
		tab.Eval(t, `document.getElementById("pause-by").focus()`, nil)
		tab.Press(t, "a", "n", "n", "a", "Enter")
		tab.Until(t, `location.search.startsWith("?result=") && document.querySelector(".result")?.innerText.includes(" Paused cluster `+name+` (hold) by anna")`)
		for _, problem := range tab.Problems() {
			t.Errorf("the browser complains: %s", problem)
		}
		tab.Close(t)
	}
	if diff := cmp.Diff([]string{"cluster alpha", "cluster beta"}, names(r.program.orders.paused())); diff != "" {
		t.Errorf("paused (-want +got):\n%s", diff)
	}
}
