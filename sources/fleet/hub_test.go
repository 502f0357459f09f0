package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func TestHub(t *testing.T) {
	h := newHubEnv(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *hubEnv)
	}{
		{"every format is read", testFormatsLive},
		{"every format is followed", testFormatsFollowed},
		{"Secrets are followed", testSecretsLive},
		{"limits are followed", testLimitsLive},
		{"a name has one owner", testNamesLive},
		{"what is wrong is told in Events", testEventsLive},
		{"all namespaces", testAllNamespaces},
		{"RBAC that is missing", testForbidden},
		{"the hub is a member", testIncludeHub},
		{"ClusterProfiles", testClusterProfiles},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, h) })
	}
}

func testFormatsLive(t *testing.T, h *hubEnv) {
	cert, key := keyPair(t)
	argo := func(config any) string {
		data, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, tc := range []struct {
		format  string
		secrets []*corev1.Secret
		members string
		check   func(*rest.Config) error
	}{
		{
			format: "kubeconfig",
			secrets: []*corev1.Secret{
				ownSecret("", "paris", kubeconfig("any")),
				newSecret("", "other", "fairlead.dev/cluster", "false", map[string]string{"kubeconfig": "?"}),
			},
			members: "paris",
		},
		{
			format: "capi",
			secrets: []*corev1.Secret{
				newSecret("", "rome-kubeconfig", labelCAPI, "rome", map[string]string{"value": kubeconfig("rome")}),
				newSecret("", "rome-ca", labelCAPI, "rome", map[string]string{"tls.crt": cert, "tls.key": key}),
				newSecret("", "rome-user-kubeconfig", labelCAPI, "rome", map[string]string{"value": kubeconfig("user")}),
			},
			members: "rome",
		},
		{
			format: "multicluster-runtime",
			secrets: []*corev1.Secret{
				newSecret("", "oslo", labelMCR, "true", map[string]string{"kubeconfig": kubeconfig("oslo")}),
			},
			members: "oslo",
		},
		{
			format: "argocd",
			secrets: []*corev1.Secret{
				newSecret("", "repo", labelArgo, "repository", map[string]string{"url": "x"}),
				newSecret("", "cluster-1", labelArgo, "cluster", map[string]string{
					"name": "token", "server": "https://token.example", "namespaces": "a,b",
					"config": argo(map[string]any{
						"bearerToken":     secret,
						"tlsClientConfig": map[string]any{"insecure": false, "serverName": "sni.example", "caData": []byte(cert)},
					}),
				}),
				newSecret("", "cluster-2", labelArgo, "cluster", map[string]string{
					"name": "basic", "server": "https://basic.example",
					"config": argo(map[string]any{"username": "u", "password": secret, "disableCompression": true, "proxyUrl": "http://proxy.example:1"}),
				}),
				newSecret("", "cluster-3", labelArgo, "cluster", map[string]string{
					"name": "cert", "server": "https://cert.example",
					"config": argo(map[string]any{"tlsClientConfig": map[string]any{"certData": []byte(cert), "keyData": []byte(key)}}),
				}),
			},
			members: "basic cert token",
		},
	} {
		t.Run(tc.format, func(t *testing.T) {
			ns := h.NewNamespace(t)
			for _, s := range tc.secrets {
				s.Namespace = ns
				h.create(t, s)
			}
			l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns+"?format="+tc.format)
			l.untilNames(tc.members)
			l.untilNoProblem()
			if tc.format != "argocd" {
				if got := l.member(tc.members).REST.BearerToken; !strings.HasPrefix(got, secret) {
					t.Error("the token is not in use")
				}
				return
			}
			token, basic, withCert := l.member("token").REST, l.member("basic").REST, l.member("cert").REST
			if token.BearerToken != secret || token.ServerName != "sni.example" || string(token.CAData) != cert || token.Host != "https://token.example" {
				t.Errorf("token: %+v", token)
			}
			if basic.Username != "u" || basic.Password != secret || !basic.DisableCompression || basic.Proxy == nil {
				t.Errorf("basic: %+v", basic)
			}
			if string(withCert.CertData) != cert || string(withCert.KeyData) != key {
				t.Errorf("cert: %+v", withCert)
			}
		})
	}
}

func testSecretsLive(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	h.create(t, ownSecret(ns, "a", kubeconfig("a")))
	l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns)
	l.untilNames("a")
	first := l.member("a")
	if want := "Secret " + ns + "/a, context a"; first.Source != want {
		t.Errorf("Source = %q, want %q", first.Source, want)
	}

	h.create(t, ownSecret(ns, "b", kubeconfig("b")))
	l.untilNames("a b")

	h.set(t, ns, "a", "kubeconfig", strings.Replace(kubeconfig("a"), secret, secret+"2", 1))
	l.until("new credentials", func() bool { return l.member("a").Fingerprint != first.Fingerprint })

	good := l.member("b").Fingerprint
	h.set(t, ns, "b", "kubeconfig", "{")
	l.untilProblem("Secret " + ns + "/b: key \"kubeconfig\" is not valid YAML")
	if l.names() != "a b" || l.member("b").Fingerprint != good {
		t.Error("the last good description is not kept")
	}
	h.set(t, ns, "b", "kubeconfig", kubeconfig("b"))
	l.untilNoProblem()

	h.annotate(t, ns, "b", annotationName, "renamed")
	l.untilNames("a renamed")
	h.delete(t, ns, "a")
	l.untilNames("renamed")
	h.create(t, ownSecret(ns, "a", kubeconfig("a")))
	l.untilNames("a renamed")

	h.patch(t, ns, "a", map[string]any{"metadata": map[string]any{"labels": map[string]any{labelOwn: nil}}})
	l.untilNames("renamed")
}

func testLimitsLive(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	s := ownSecret(ns, "a", kubeconfig("a"))
	s.Annotations = map[string]string{annotationQPS: "2.5", annotationWeight: "3"}
	h.create(t, s)
	l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns)
	l.untilNames("a")
	mark := l.member("a").Fingerprint
	is := func(want Limits) func() bool { return func() bool { return l.member("a").Limits.Equal(want) } }
	if want := (Limits{QPS: new(2.5), Weight: new(3)}); !is(want)() {
		t.Errorf("limits at the start: %+v", l.member("a").Limits)
	}

	h.annotate(t, ns, "a", annotationPaused, "true")
	l.until("paused", is(Limits{QPS: new(2.5), Weight: new(3), Paused: true}))
	h.annotate(t, ns, "a", annotationBurst, "none")
	l.untilProblem(`annotation fairlead.dev/burst: "none" is not a whole number of 1 or more`)
	if !is(Limits{QPS: new(2.5), Weight: new(3), Paused: true})() {
		t.Error("a bad annotation changes the limits")
	}
	h.annotate(t, ns, "a", annotationPaused, "")
	h.annotate(t, ns, "a", annotationQPS, "")
	h.annotate(t, ns, "a", annotationBurst, "7")
	l.until("the rest", is(Limits{Burst: new(7), Weight: new(3)}))
	l.untilNoProblem()
	if l.member("a").Fingerprint != mark {
		t.Error("limits change the fingerprint, so that the connection is made anew")
	}
	h.patch(t, ns, "a", map[string]any{"metadata": map[string]any{"labels": map[string]any{"tier": "edge"}}})
	l.until("labels", func() bool { return l.member("a").Labels["tier"] == "edge" })
	if l.member("a").Fingerprint != mark {
		t.Error("labels change the fingerprint")
	}
}

func testNamesLive(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	taken := func(name string) *corev1.Secret {
		s := ownSecret(ns, name, kubeconfig(name))
		s.Annotations = map[string]string{annotationName: "one"}
		return s
	}
	h.create(t, taken("z"))
	l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns)
	l.untilNames("one")
	h.create(t, taken("a"))
	h.create(t, ownSecret(ns, "bystander", kubeconfig("bystander")))
	l.untilProblem(fmt.Sprintf(`Secret %[1]s/a, context a: cluster "one" is described by Secret %[1]s/z, context z already`, ns))
	l.untilNames("bystander one")
	if got := l.member("one").REST.Host; got != "https://z.example:6443" {
		t.Errorf("the newcomer took over: %s", got)
	}
	events := h.untilEvents(t, ns, "a", func(e map[string]eventsv1.Event) bool { return len(e) > 0 })
	if _, ok := events[eventNameTaken]; !ok {
		t.Errorf("Events: %v", events)
	}
	h.delete(t, ns, "z")
	h.untilEvents(t, ns, "a", func(e map[string]eventsv1.Event) bool {
		return strings.Contains(e[eventNameTaken].Note, "the name is kept for it until")
	})
	l.until("the newcomer takes over", func() bool {
		m := l.member("one")
		return m.REST != nil && m.REST.Host == "https://a.example:6443"
	})
	l.untilNoProblem()
}

func testEventsLive(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	bad := kubeconfig("a") + "  extra: [" + secret
	s := ownSecret(ns, "a", bad)
	s.Annotations = map[string]string{annotationPaused: "maybe"}
	h.create(t, s)
	h.create(t, ownSecret(ns, "good", kubeconfig("good")))
	l := startLive(t, h.Config(), ParseOptions{}, "secrets:"+ns)
	l.untilNames("good")
	events := h.untilEvents(t, ns, "a", func(e map[string]eventsv1.Event) bool { return len(e) == 2 })
	unusable := events[eventUnusable]
	if !strings.Contains(unusable.Note, "is not valid YAML") || unusable.Type != corev1.EventTypeWarning ||
		unusable.Regarding.Kind != "Secret" || unusable.Regarding.UID == "" {
		t.Errorf("Event: %+v", unusable)
	}
	if got := events[eventLimits].Note; !strings.Contains(got, annotationPaused) {
		t.Errorf("Event about the annotation: %q", got)
	}

	// The same once more counts the Event up.
	h.set(t, ns, "a", "kubeconfig", kubeconfig("a"))
	l.untilNames("a good")
	h.set(t, ns, "a", "kubeconfig", bad)
	h.untilEvents(t, ns, "a", func(e map[string]eventsv1.Event) bool {
		return e[eventUnusable].Series != nil && e[eventUnusable].Series.Count == 2
	})
}

func testAllNamespaces(t *testing.T, h *hubEnv) {
	one, other := h.NewNamespace(t), h.NewNamespace(t)
	for _, s := range []*corev1.Secret{ownSecret(one, "a", kubeconfig("a")), ownSecret(other, "b", kubeconfig("b"))} {
		s.Labels = map[string]string{"group": "all"}
		h.create(t, s)
	}
	l := startLive(t, h.Config(), ParseOptions{}, "secrets:*?selector=group%3Dall")
	l.untilNames("a b")
}

func testForbidden(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	h.create(t, ownSecret(ns, "a", kubeconfig("a")))
	nobody, err := h.User("nobody")
	if err != nil {
		t.Fatal(err)
	}
	l := startLive(t, nobody, ParseOptions{}, "secrets:"+ns)
	l.untilProblem("secrets:" + ns + ": the hub does not allow to read Secrets in namespace " + ns + "; grant get, list and watch")
}

func testIncludeHub(t *testing.T, h *hubEnv) {
	path := t.TempDir() + "/hub.yaml"
	if err := testenv.WriteKubeconfig(path, h.Cluster); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadHub(path)
	if err != nil {
		t.Fatal(err)
	}
	ns := h.NewNamespace(t)
	h.create(t, ownSecret(ns, "here", kubeconfig("a")))
	l := startLive(t, cfg, ParseOptions{IncludeHub: "here", HubKubeconfig: path}, "secrets:"+ns)
	l.untilNames("here")
	l.untilProblem("already, which keeps the name")
	if got := l.member("here").REST.Host; got != h.URL() {
		t.Errorf("the hub is at %s", got)
	}
	if _, err := LoadHub(path + ".missing"); err == nil || !strings.Contains(err.Error(), "does not exist") || !strings.Contains(err.Error(), "--hub-kubeconfig") {
		t.Errorf("LoadHub without a file: %v", err)
	}
}

func TestHubThatDoesNotAnswer(t *testing.T) {
	h := newHubEnv(t)
	ns := h.NewNamespace(t)
	h.create(t, ownSecret(ns, "a", kubeconfig("a")))
	proxy, err := h.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	l := startLive(t, proxy.Config(), ParseOptions{}, "secrets:"+ns)
	l.untilProblem("the hub cannot be reached; the clusters known so far stay: connection refused")
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	l.untilNames("a")
	l.untilNoProblem()

	proxy.Cut()
	l.untilProblem("the hub cannot be reached")
	if l.names() != "a" {
		t.Error("the members known so far are gone")
	}
	h.delete(t, ns, "a")
	h.create(t, ownSecret(ns, "b", kubeconfig("b")))
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	l.untilNames("b")
	l.untilNoProblem()
}

func TestHubIsRequired(t *testing.T) {
	providers, err := Parse([]string{"secrets:fleet"})
	if err != nil {
		t.Fatal(err)
	}
	if !NeedsHub(providers) {
		t.Error("Secrets are not in the hub")
	}
	f := New(Options{Providers: providers, Handler: &recorder{members: map[string]Member{}}})
	if err := f.Run(t.Context()); !errors.Is(err, errHub) {
		t.Errorf("Run without a hub: %v", err)
	}
	if p, err := Parse([]string{"dir:/x"}); err != nil || NeedsHub(p) {
		t.Errorf("files are in the hub (%v)", err)
	}
}
