package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testca"
)

// downSink is a sink whose destination does not take changes.
type downSink struct {
	sink  string
	says  string   // part of the cause
	write bool     // the check finds nothing: the first write does
	mend  func()   // nil: it stays so
	also  []string // parts of the cause that are of no use without the first
}

// downSinks are all kinds with what may be wrong with their destinations.
func downSinks(s *destinationStand) map[string]downSink {
	t := s.t
	pg := func(more string) string {
		return "postgres://fairlead@" + s.postgres.Addr() + "/postgres?sslmode=disable&" + more
	}
	kafka := func(topic, password string) string {
		return strings.Replace(s.kafka.sink(), "/fairlead?", "/"+topic+"?", 1) + "&mechanism=plain&user=me&password-file=" + password
	}
	natsTo := func(stream, password string) string {
		return fmt.Sprintf("nats://127.0.0.1:%d/%s?tls=false&timeout=10s&prefix=%[2]s&user=me&password-file=%s", s.nats.Options.Port, stream, password)
	}
	web := func(path string) string { return "http://" + s.web.address + path }
	good := s.file("good", goodCanary)
	// wrong returns a file with a wrong credential, and what rights it.
	wrong := func(name string) (string, func()) {
		return s.file(name, wrongCanary), func() { s.file(name, goodCanary) }
	}
	late := func(name string) (string, func()) {
		return s.file(name, ""), func() { s.file(name, goodCanary) }
	}
	keys := func(key string) string {
		return "[default]\naws_access_key_id = me\naws_secret_access_key = " + key + "\n"
	}
	for path, status := range map[string]int{"/gone": 404, "/full": 507, "/v1/gone": 404, "/bucket/": 403} {
		s.web.refuse(path, status)
	}
	nobody := must(s.hub.User("nobody"))(t)
	hub := func(path, name string) string { return "hub:" + s.namespace + "?name=" + name + "&kubeconfig=" + path }

	all := map[string]downSink{}
	add := func(name, sink, says string, mend func(), also ...string) {
		all[name] = downSink{sink: sink, says: says, mend: mend, also: also}
	}
	password, mend := wrong("pg")
	add("postgres, wrong password", pg("schema=login&password-file="+password), "password authentication failed", mend, "check user and password-file")
	add("postgres, missing tables", pg("schema=missing&migrate=check&password-file="+good), "fairlead_schema", func() { s.tablesIn("missing") })
	password, mend = late("pg-late")
	add("postgres, late password", pg("schema=late&password-file="+password), "password-file: read: open "+password, mend)
	password, mend = wrong("kafka")
	add("kafka, wrong password", kafka("login", password), "as it may for a wrong user, password", mend)
	add("kafka, missing topic", kafka("missing", good), "the topic does not exist", func() { s.topic("missing") })
	password, mend = wrong("nats")
	add("nats, wrong password", natsTo("login", password), "; correct user, password-file", mend)
	add("nats, missing stream", natsTo("missing", good), "give create=true", func() { s.stream("missing", -1) })
	add("nats, full stream", natsTo("full", good), "maximum bytes exceeded", func() { s.stream("full", -1) })
	token, mend := wrong("http")
	add("http, wrong token", web("/token/http?token-file="+token), "401 Unauthorized; check token-file", mend)
	add("http, wrong path", web("/gone"), "404 Not Found; check the path of the URL", func() { s.web.refuse("/gone", 0) })
	add("http, full", web("/full"), "507 Insufficient Storage", func() { s.web.refuse("/full", 0) })
	token, mend = late("http-late")
	add("http, late token", web("/token/late?token-file="+token), "token-file: read: open "+token, mend)
	token, mend = wrong("otlp")
	add("otlp, wrong token", "otlp:"+web("/token/otlp?token-file="+token), "401 Unauthorized", mend, "check the token or key in token-file")
	add("otlp, wrong path", "otlp:"+web("/v1/gone"), "404 Not Found", func() { s.web.refuse("/v1/gone", 0) }, "check the path")
	headers := s.file("otlp-late", "")
	add("otlp, late headers", "otlp:"+web("/token/headers?header-file="+headers), "header-file: read: open "+headers, func() { s.file("otlp-late", "X-Api-Key: "+goodCanary+"\n") })
	add("s3, forbidden", "s3://"+s.web.address+"/bucket/x?tls=false&age=1s&credentials=file&credentials-file="+s.file("keys", keys(goodCanary)),
		"write to bucket bucket", func() { s.web.refuse("/bucket/", 0) })
	add("hub, no CRD", hub(kubeconfigOf(t, s.proxy.Config()), "records"), "the hub has no records", s.installRecords, "apply deploy/components/hub-records/crd.yaml")
	add("hub, forbidden", hub(kubeconfigOf(t, s.proxy.Through(nobody)), "forbidden"), "grant create, patch, list and delete of records", func() { s.allowRecords("nobody") })

	ca := must(testca.New("expired"))(t)
	pair := must(ca.Expired())(t)
	cert := must(tls.X509KeyPair(pair.Cert, pair.Key))(t)
	for kind, value := range map[string]string{
		"postgres": "postgres://fairlead@HOST/changes?", "https": "https://HOST/changes?", "kafka": "kafka://HOST/changes?",
		"nats": "nats://HOST/changes?", "otlp": "otlp:https://HOST/v1/logs?",
		"s3": "s3://HOST/changes?credentials=file&credentials-file=" + s.file("keys-2", keys(goodCanary)) + "&",
	} {
		add(kind+", expired certificate", strings.Replace(value, "HOST", serveExpired(t, kind, cert), 1)+"ca="+s.file("ca", string(ca.PEM())), "certificate has expired", nil, "renew the server's certificate")
	}
	expired := &rest.Config{Host: "https://" + serveExpired(t, "hub", cert), TLSClientConfig: rest.TLSClientConfig{CAData: ca.PEM()}}
	add("hub, expired certificate", hub(kubeconfigOf(t, expired), "expired"), "certificate has expired", nil, "renew the server's certificate")
	for _, name := range []string{"nats, full stream", "http, wrong path", "http, full"} {
		d := all[name]
		d.write = true
		all[name] = d
	}
	return all
}

// TestSinksWhoseDestinationIsDown runs the program with all kinds of sinks, each with something
// wrong. While there is nothing to deliver, the status, the metrics and the log name each
// cause. A change becomes a dead letter of none, and is delivered once a cause is mended, and
// so after all servers were stopped and started. No credential is seen anywhere.
func TestSinksWhoseDestinationIsDown(t *testing.T) {
	s := newDestinationStand(t)
	all := downSinks(s)
	dead := filepath.Join(t.TempDir(), "dead")
	flags := []string{"--clusters=kubeconfig:" + writeKubeconfig(t, s.hub), "--watch=configmaps?namespace=" + s.namespace, "--workers=2",
		"--drain-timeout=0s", "--dead-letter=" + dead, "--admin-bind-address=127.0.0.1:0"}
	names := map[string]string{} // by identity
	for name, d := range all {
		flags = append(flags, "--sink="+d.sink)
		names[must(new(Options).sinkKinds().Parse(d.sink))(t).Identity] = name
	}
	log := &logFile{to: outputOf(t)}
	r := startLogged(t, parseWith(t, Options{}, flags...), newRecorder(), log)
	o := newObjects(t, s.hub, s.namespace)

	// await waits until what is said of each sink is so.
	await := func(what string, of func(d downSink) bool, so func(d downSink, status api.Sink) bool) {
		t.Helper()
		var last []string
		defer func() {
			if t.Failed() {
				t.Log(strings.Join(last, "\n"))
			}
		}()
		r.await(what, func() bool {
			last = nil
			for _, status := range r.program.status(time.Now()).Sinks {
				d := all[names[status.Name]]
				if of(d) && !so(d, status) {
					last = append(last, fmt.Sprintf("%s: %+v", names[status.Name], status))
				}
			}
			return len(last) == 0
		})
	}
	fails := func(d downSink, status api.Sink) bool {
		return !status.Status.Healthy && status.Attempts > 0 && !status.Since.IsZero() && strings.Contains(status.LastError, d.says) &&
			!slices.ContainsFunc(d.also, func(part string) bool { return !strings.Contains(status.LastError, part) })
	}
	mended := func(d downSink) bool { return d.mend != nil }
	delivered := func(what string, n float64) {
		t.Helper()
		await(what, mended, func(_ downSink, status api.Sink) bool { return status.Healthy })
		r.awaitScrape(what, func(m *scrape) bool {
			for identity, name := range names {
				if mended(all[name]) && m.total("fairlead_sink_changes_total", fmt.Sprintf("result=%q,sink=%q", "accepted", identity)) < n {
					return false
				}
			}
			return true
		})
	}
	everyone := func(downSink) bool { return true }

	await("each check tells its cause", func(d downSink) bool { return !d.write }, fails)
	m := r.scrape()
	for identity, name := range names { // as alerts and dashboards see it
		want := 0.0
		if all[name].write {
			want = 1
		}
		if got := m.total("fairlead_sink_up", fmt.Sprintf("sink=%q", identity)); got != want {
			t.Errorf("%s: fairlead_sink_up is %v while nothing is to be delivered, want %v", name, got, want)
		}
	}

	o.create("one")
	r.awaitScrape("a write to each", func(m *scrape) bool { // until then the checks tell
		for identity := range names {
			if m.total("fairlead_sink_changes_total", fmt.Sprintf("result=%q,sink=%q", "failed", identity)) == 0 {
				return false
			}
		}
		return true
	})
	await("each write tells its cause", everyone, fails)
	for name, d := range all {
		if !slices.ContainsFunc(strings.Split(log.text(), "\n"), func(line string) bool { return strings.Contains(line, d.says) }) {
			t.Errorf("%s: the log does not say %q", name, d.says)
		}
		if d.mend != nil {
			d.mend()
		}
	}
	delivered("what is mended gets the change", 1)

	s.stop()
	o.create("two")
	await("each sink says that nothing listens", mended, func(_ downSink, status api.Sink) bool {
		return !status.Status.Healthy && strings.Contains(status.LastError, "nothing listens there")
	})
	s.start()
	delivered("all is delivered after the restart", 2)

	if !isEmpty(dead) || r.scrape().total("fairlead_sink_changes_total", `result="dead_lettered"`) != 0 {
		t.Error("there are dead letters")
	}
	s.seesNoCanary(r, log)
}

// seesNoCanary looks for credentials in all that the program shows.
func (s *destinationStand) seesNoCanary(r *running, log *logFile) {
	s.t.Helper()
	admin := "http://" + r.program.adminAddress.String()
	shown := map[string]string{"the log": log.text(), "/clusters": string(must(json.Marshal(r.program.status(time.Now())))(s.t))}
	var metrics strings.Builder
	for _, f := range must(r.registry.Gather())(s.t) {
		metrics.WriteString(f.String())
	}
	shown["the metrics"] = metrics.String()
	bundle := filepath.Join(s.t.TempDir(), "b.tar.gz")
	if out, err := command(s.t, "support-bundle", "-o", bundle, "--admin="+admin); err != nil {
		s.t.Fatal(out, err)
	}
	for name, text := range unpack(s.t, bundle) {
		shown["of the bundle, "+name] = text
	}
	http.DefaultClient.CloseIdleConnections()
	for where, text := range shown {
		if len(text) == 0 {
			s.t.Errorf("%s is empty", where)
		}
		for _, canary := range []string{goodCanary, wrongCanary} {
			for _, as := range []string{canary, base64.StdEncoding.EncodeToString([]byte("Bearer " + canary)), base64.StdEncoding.EncodeToString([]byte("me:" + canary))} {
				if at := strings.Index(text, as); at >= 0 {
					s.t.Errorf("%s shows a credential: %.200q", where, text[max(0, at-150):])
				}
			}
		}
	}
}

// startLogged is startSettings with a log of the caller's.
func startLogged(t *testing.T, s *settings, out *recorder, log *logFile) *running {
	t.Helper()
	r := &running{t: t, registry: prometheus.NewRegistry(), out: out}
	r.program = must(newProgram(t.Context(), s, out, newLeveledLogger(log, s.level, "text"), r.registry))(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.program.run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}
