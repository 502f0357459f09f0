package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// profileCRD is as much of SIG-Multicluster's CRD as a test needs. The API server
// takes all of the status, as it does of the real one's clusters.
const profileCRD = `{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {
    "name": "clusterprofiles.multicluster.x-k8s.io",
    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}
  },
  "spec": {
    "group": "multicluster.x-k8s.io", "scope": "Namespaced",
    "names": {"kind": "ClusterProfile", "plural": "clusterprofiles", "singular": "clusterprofile"},
    "versions": [{
      "name": "v1alpha2", "served": true, "storage": true, "subresources": {"status": {}},
      "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
    }]
  }
}`

// do sends an object to the hub as it is.
func (h *hubEnv) do(t *testing.T, method, path, contentType, body string) {
	t.Helper()
	cfg := h.Config()
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), method, h.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %s", method, path, answer.Status, text.String())
	}
}

const profilesPath = "/apis/multicluster.x-k8s.io/v1alpha2/namespaces/%s/clusterprofiles"

func (h *hubEnv) createProfile(t *testing.T, namespace, name string) {
	t.Helper()
	h.do(t, http.MethodPost, fmt.Sprintf(profilesPath, namespace), "application/json", fmt.Sprintf(
		`{"apiVersion": "multicluster.x-k8s.io/v1alpha2", "kind": "ClusterProfile", "metadata": {"name": %q}, "spec": {"clusterManager": {"name": "test"}}}`, name))
}

// offer sets how a profile's cluster can be reached.
func (h *hubEnv) offer(t *testing.T, namespace, name string, offers ...map[string]any) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"status": map[string]any{"accessProviders": offers}})
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, http.MethodPatch, fmt.Sprintf(profilesPath, namespace)+"/"+name+"/status", "application/merge-patch+json", string(data))
}

func testClusterProfiles(t *testing.T, h *hubEnv) {
	ns := h.NewNamespace(t)
	cfg := h.Config()
	// The plugin's answer: a certificate, as the test's hub knows no tokens.
	dir := t.TempDir()
	answer := filepath.Join(dir, "credential.json")
	credential, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
		"status": map[string]any{"clientCertificateData": string(cfg.CertData), "clientKeyData": string(cfg.KeyData)},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, answer, string(credential))
	providers := filepath.Join(dir, "providers.json")
	write(t, providers, fmt.Sprintf(`{"providers": [{"name": "files", "execConfig": {
		"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [%q], "provideClusterInfo": true
	}}]}`, answer))

	l := startLive(t, cfg, ParseOptions{AccessProviders: providers}, "clusterprofiles:"+ns)
	l.untilProblem("the hub serves no ClusterProfiles; install the CRD")
	h.do(t, http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", profileCRD)
	l.untilNoProblem()

	h.createProfile(t, ns, "paris")
	l.untilProblem("ClusterProfile " + ns + "/paris: status.accessProviders is empty")
	h.offer(t, ns, "paris", map[string]any{"name": "elsewhere", "cluster": map[string]any{"server": "https://x.example"}})
	l.untilProblem(`none of its 1 access providers, such as "elsewhere", is listed in file`)
	cluster := map[string]any{
		"server": h.URL(), "certificate-authority-data": cfg.CAData,
		"extensions": []any{map[string]any{"name": execExtension, "extension": map[string]any{"clusterName": "paris"}}},
	}
	h.offer(t, ns, "paris", map[string]any{"name": "elsewhere", "cluster": cluster}, map[string]any{"name": "files", "cluster": cluster})
	l.untilNames("paris")
	l.untilNoProblem()
	member := l.member("paris")
	client, httpClient := clientOf(t, member.REST)
	defer httpClient.CloseIdleConnections()
	if _, err := client.Discovery().ServerVersion(); err != nil {
		t.Errorf("with the plugin's credentials: %v", err)
	}

	insecure := map[string]any{"server": "http://x.example", "insecure-skip-tls-verify": true, "certificate-authority": "/etc/ca.crt"}
	h.offer(t, ns, "paris", map[string]any{"name": "files", "cluster": insecure})
	l.untilProblem("cluster.insecure-skip-tls-verify is not allowed here")
	l.untilProblem("cluster.certificate-authority names a file")
	l.untilProblem("cluster.server does not begin with https://")
	if l.member("paris").Fingerprint != member.Fingerprint {
		t.Error("the last good description is not kept")
	}
	events := h.untilEvents(t, ns, "paris", func(e map[string]eventsv1.Event) bool { return len(e) > 0 })
	if got := events[eventUnusable].Regarding; got.Kind != "ClusterProfile" {
		t.Errorf("the Event is about %+v", got)
	}
	h.do(t, http.MethodDelete, fmt.Sprintf(profilesPath, ns)+"/paris", "application/json", "{}")
	l.untilNames("")
	l.untilNoProblem()
}

func TestAccessProvidersFile(t *testing.T) {
	const exec = `"execConfig": {"apiVersion": "v1", "command": "x"}`
	for text, want := range map[string]string{
		`{"providers": [{"name": "a", ` + exec + `}]}`:                                           "",
		`{"providers": [{"name": "a", ` + exec + `, "profileSourcedCLIArgsPolicy": "Append"}]}`:  "",
		`{"providers": [{"name": "a", ` + exec + `, "profileSourcedEnvVarsPolicy": "Replace"}]}`: "",
		`{}`:                                         "lists no providers",
		`{"providers": [`:                            "is not",
		`{"providers": [{"name": 1}]}`:               "has the wrong type",
		`{"providers": [{` + exec + `}]}`:            "has no name",
		`{"providers": [{"name": "a"}]}`:             "has no command",
		`{"providers": [{"name": "a", "extra": 1}]}`: "unknown field",
		`{"providers": [{"name": "a", "execConfig": {"command": "x"}}]}`:                        "has no apiVersion",
		`{"providers": [{"name": "a", ` + exec + `}, {"name": "a", ` + exec + `}]}`:             `two providers are called "a"`,
		`{"providers": [{"name": "a", ` + exec + `, "profileSourcedCLIArgsPolicy": "Always"}]}`: "profileSourcedCLIArgsPolicy",
		`{"providers": [{"name": "a", ` + exec + `, "profileSourcedEnvVarsPolicy": "Append"}]}`: "profileSourcedEnvVarsPolicy",
	} {
		_, err := parseAccessProviders([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestAccessProvidersAreFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "providers.json")
	write(t, path, `{"providers": [{"name": "a", "execConfig": {"apiVersion": "v1", "command": "one"}}]}`)
	s := (&profilesProvider{path: path}).NewScanner().(*profilesScanner)
	command := func() string { return s.access[0].Exec.Command }
	s.Scan()
	write(t, path, `{"providers": [{"name": "a", "execConfig": {"apiVersion": "v1", "command": "two"}}]}`)
	if s.Scan(); command() != "one" {
		t.Error("a change that one reading has seen counts")
	}
	if s.Scan(); command() != "two" {
		t.Error("a change that two readings have seen does not count")
	}
	write(t, path, "{")
	s.Scan()
	if found := s.Scan(); command() != "two" || len(found) != 1 || found[0].Err == nil {
		t.Errorf("a broken file: %v", found)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.Scan()
	if found := s.Scan(); command() != "two" || len(found) != 1 {
		t.Errorf("a file that is gone: %v", found)
	}
}

func TestProfilesAddToTheCommandWhatPoliciesAllow(t *testing.T) {
	own := []clientcmdapi.ExecEnvVar{{Name: "A", Value: "operator"}}
	extensions := map[string]json.RawMessage{
		extensionArgs: json.RawMessage(`["--more"]`),
		extensionEnvs: json.RawMessage(`{"A": "profile", "B": "profile"}`),
	}
	added := []clientcmdapi.ExecEnvVar{{Name: "A", Value: "operator"}, {Name: "B", Value: "profile"}}
	replaced := []clientcmdapi.ExecEnvVar{{Name: "A", Value: "profile"}, {Name: "B", Value: "profile"}}
	for _, tc := range []struct {
		args, env string
		wantArgs  []string
		wantEnv   []clientcmdapi.ExecEnvVar
	}{
		{"", "", []string{"get"}, own},
		{policyIgnore, policyIgnore, []string{"get"}, own},
		{policyAppend, policyMissing, []string{"get", "--more"}, added},
		{policyAppend, policyReplace, []string{"get", "--more"}, replaced},
	} {
		p := accessProvider{
			Exec:       &clientcmdapi.ExecConfig{Command: "x", Args: []string{"get"}, Env: own},
			ArgsPolicy: tc.args, EnvPolicy: tc.env,
		}
		got, err := p.command(extensions)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.wantArgs, got.Args) + cmp.Diff(tc.wantEnv, got.Env); diff != "" || got.Command != "x" {
			t.Errorf("policies %q, %q (-want +got):\n%s", tc.args, tc.env, diff)
		}
		if len(p.Exec.Args) != 1 || p.Exec.Env[0].Value != "operator" {
			t.Error("the operator's own command changes, so that other clusters see it")
		}
	}
	p := accessProvider{Exec: &clientcmdapi.ExecConfig{}, ArgsPolicy: policyAppend}
	if _, err := p.command(map[string]json.RawMessage{extensionArgs: json.RawMessage(`"` + secret + `"`)}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("arguments that are no list: %v", err)
	}
}
