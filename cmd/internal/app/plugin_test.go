package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// plugin runs a command as a plugin of kubectl.
func plugin(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := NewCommand(Options{Program: "/usr/local/bin/kubectl-fairlead"})
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// kubeconfigOf writes a kubeconfig of a user.
func kubeconfigOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["hub"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["me"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	file.Contexts["one"] = &clientcmdapi.Context{Cluster: "hub", AuthInfo: "me"}
	file.CurrentContext = "one"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// allow gives a user rights in a namespace.
func allow(t *testing.T, c *testenv.Cluster, ns, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	client := must(rbacv1client.NewForConfig(c.Config()))(t)
	role := must(client.Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{GenerateName: "r-"}, Rules: rules}, metav1.CreateOptions{}))(t)
	_ = must(client.RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{}))(t)
}

// rulesOfPage returns the rules of the Role that a page has.
func rulesOfPage(t *testing.T, path string) []rbacv1.PolicyRule {
	t.Helper()
	_, after, _ := strings.Cut(string(must(os.ReadFile(path))(t)), "```yaml\n")
	text, _, ok := strings.Cut(after, "```")
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(text), &role); err != nil || !ok || len(role.Rules) == 0 {
		t.Fatalf("the Role in %s: %+v, %v", path, role, err)
	}
	return role.Rules
}

// TestThePluginReachesTheLeader: through a real API server, with the rights of a user, it
// asks the leader of a real election on its loopback. What stands for the kubelet is a
// fake.
func TestThePluginReachesTheLeader(t *testing.T) {
	host := must(os.Hostname())(t) // the Lease names it, as in a Pod
	if wrong := validation.IsDNS1123Subdomain(host); len(wrong) > 0 || len(host) > 63 {
		t.Skipf("this host is called %q, as no Pod is: %v", host, wrong)
	}
	env := testenv.Start(t, testenv.Spec{Name: "hub"})
	c := env.Cluster("hub")
	ns := c.NewNamespace(t)
	kubelet := newFakeKubelet(t, c, ns)
	kubeconfig := writeKubeconfig(t, c)
	r := start(t, "--clusters=kubeconfig:"+kubeconfig, "--watch=configmaps?namespace="+ns, "--admin-bind-address=127.0.0.1:0",
		"--leader-elect", "--leader-elect-lock=lease:"+ns+"/fairlead", "--hub-kubeconfig="+kubeconfig)
	r.await("it leads", func() bool { return r.program.current() != nil && r.streamsLive("hub") })

	leader := api.Election{Role: "follower", Leader: "l", LeaderHost: host}
	follows := &admin{following: "follower, leader is l", instead: "ask the leader", leader: &api.Leader{Identity: "l", Host: host}, pages: http.NewServeMux(), log: logr.Discard()}
	follows.pages.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Status{Election: &leader})
	})
	second := httptest.NewServer(follows.handler())
	t.Cleanup(second.Close)
	labels := map[string]string{"app.kubernetes.io/name": "fairlead"}
	kubelet.run(host, r.program.adminAddress.String(), labels)
	kubelet.run("a-follower", strings.TrimPrefix(second.URL, "http://"), labels)
	kubelet.run("stopped", "127.0.0.1:1", labels)
	kubelet.run("another", second.Listener.Addr().String(), nil)

	user := func(name string) []string {
		return []string{"-n", ns, "--kubeconfig", kubeconfigOf(t, must(c.User(name))(t))}
	}
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	pods, forward := rule("", "pods", "list"), rule("", "pods/portforward", "get", "create")
	allow(t, c, ns, "lister", pods)
	allow(t, c, ns, "operator", rulesOfPage(t, "../../../docs/cli.md")...)
	allow(t, c, ns, "leaseless", pods, forward)

	for name, test := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"by the Lease":     {append(user("operator"), "status"), 0, []string{"hub    live", "1 of 1 clusters are live", host}},
		"a command":        {append(user("operator"), "replay", "--cluster=hub"), 0, []string{"Replaying cluster hub: 1 streams"}},
		"by a follower":    {append(user("leaseless"), "status"), 0, []string{"Pod a-follower follows; asking the leader at Pod " + host + "\n", "1 of 1 clusters are live"}},
		"and a command":    {append(user("operator"), "replay", "--cluster=hub", "--pod=a-follower"), 0, []string{"Pod a-follower follows", "Replaying cluster hub: 1 streams"}},
		"names":            {append(user("operator"), "__complete", "status", "-n", ns, "--kubeconfig", user("operator")[3], "h"), 0, []string{"hub\tlive\n"}},
		"running version":  {append(user("operator"), "version"), 0, []string{"\nrunning: dev"}},
		"nobody's rights":  {append(user("nobody"), "status"), 2, []string{"Role", "allows list of pods"}},
		"no right to pass": {append(user("lister"), "status"), 2, []string{"Role", "allows get and create of pods/portforward"}},
		"nothing listens":  {append(user("operator"), "status", "--pod=stopped"), 2, []string{"in Pod stopped", "connection refused", "--admin-bind-address"}},
		"no Pod there":     {append(user("operator"), "status", "--pod=missing"), 2, []string{`pods "missing" not found`}},
		"no namespace":     {[]string{"status", "--kubeconfig", kubeconfig}, 2, []string{"no Pod", "in namespace fairlead", "-n"}},
		"no context":       {append(user("operator"), "status", "--context=x"), 2, []string{`context "x" does not exist`}},
		"two ways":         {append(user("operator"), "status", "--admin=http://127.0.0.1:1"), 2, []string{"--admin and --namespace exclude each other"}},
	} {
		t.Run(name, func(t *testing.T) {
			r.await("it is live again, after a replay", func() bool { return r.streamsLive("hub") })
			args := test.args
			if i := strings.Index(strings.Join(args, "\n"), "__complete"); i > 0 {
				args = args[4:]
			} else if args[0] == "-n" { // the command comes first
				args = append(append([]string{args[4]}, args[5:]...), args[:4]...)
				if args[0] == "replay" { // whose -n is that of objects
					args[slices.Index(args, "-n")] = "--fairlead-namespace"
				}
			}
			out, err := plugin(t.Context(), args...)
			said := out
			if err != nil {
				said += err.Error()
			}
			if code := ExitCode(err); code != test.code {
				t.Errorf("it ends with %d, not %d", code, test.code)
			}
			if follows := strings.Contains(said, " follows; asking"); follows != strings.HasPrefix(strings.Join(test.want, ""), "Pod a-follower follows") {
				t.Errorf("it has asked a follower first: %v", follows)
			}
			for _, want := range test.want {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
		})
	}
	t.Run("in the name of another", func(t *testing.T) {
		admin := []string{"-n", ns, "--kubeconfig", kubeconfig}
		for who, code := range map[string]int{"operator": 0, "nobody": 2} {
			out, err := plugin(t.Context(), append([]string{"status", "--as=" + who, "--request-timeout=1m"}, admin...)...)
			if ExitCode(err) != code {
				t.Errorf("--as=%s ends with %v, not with %d:\n%s", who, err, code, out)
			}
		}
		for flag, says := range map[string]string{
			"--user=nobody":            `"nobody"`,
			"--server=https://x.test.": "x.test.",
			"--request-timeout=soon":   "no duration",
			"--tls-server-name=x.test": "x509",
		} {
			if out, err := plugin(t.Context(), append([]string{"status", flag}, admin...)...); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: it says %v, not %q:\n%s", flag, err, says, out)
			}
		}
	})
	t.Run("an auth-provider", func(t *testing.T) {
		file := must(clientcmd.LoadFromFile(kubeconfigOf(t, c.Config())))(t)
		file.AuthInfos["me"] = &clientcmdapi.AuthInfo{AuthProvider: &clientcmdapi.AuthProviderConfig{
			Name: "oidc", Config: map[string]string{"client-id": "x", "idp-issuer-url": "https://127.0.0.1:1", "id-token": expiredToken()},
		}}
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := clientcmd.WriteToFile(*file, path); err != nil {
			t.Fatal(err)
		}
		_, err := plugin(t.Context(), "status", "-n", ns, "--kubeconfig", path)
		if err == nil || strings.Contains(err.Error(), "Auth Provider") || !strings.Contains(err.Error(), "refresh") || strings.Contains(err.Error(), "canary") {
			t.Errorf("it does not ask the provider: %v", err)
		}
	})
	t.Run("who has paused it", func(t *testing.T) {
		operator := user("operator")
		run := func(args ...string) string {
			t.Helper()
			out, err := plugin(t.Context(), args...)
			if err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			return out
		}
		run(append([]string{"pause", "hub", "--reason=the link is repaired"}, operator...)...)
		said := run("explain", "hub", "configmaps/nothing", "-n", ns, "--fairlead-namespace", ns, operator[2], operator[3])
		for _, want := range []string{"operator (hub)", "the link is repaired", "FL1013"} {
			if !strings.Contains(said, want) {
				t.Errorf("explain does not say %q:\n%s", want, said)
			}
		}
		run(append([]string{"resume", "hub"}, operator...)...)
		r.await("it goes on", func() bool { return r.streamsLive("hub") })
	})
	// A proxy that knows no WebSockets.
	config := c.Config()
	config.NextProtos = []string{"http/1.1"} // which can be upgraded
	target := must(url.Parse(c.Config().Host))(t)
	old := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: must(rest.TransportFor(config))(t)}
	upgrades := make(chan string, 10)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := r.Header.Get("Upgrade"); u != "" {
			upgrades <- u
			if u == "websocket" {
				http.Error(w, "what is a WebSocket?", http.StatusBadRequest)
				return
			}
		}
		old.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	out, err := plugin(t.Context(), "status", "-n", ns, "--kubeconfig", kubeconfigOf(t, &rest.Config{Host: front.URL}))
	if err != nil || !strings.Contains(out, "1 of 1 clusters are live") || len(upgrades) != 2 {
		t.Errorf("through an old proxy it says %q, %v, after %d upgrades", out, err, len(upgrades))
	}

	// A stream that is given up leaves nothing behind.
	var streaming ctl.Client
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	streaming.AddFlag(set)
	if err := set.Parse(user("operator")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	body := must(streaming.Stream(ctx, io.Discard, "/clusters", nil))(t)
	if _, err := body.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	cancel()
	if err := body.Close(); err != nil {
		t.Error(err)
	}

	leader.LeaderHost = "another" // a Pod of somebody else
	if _, err := plugin(t.Context(), append([]string{"status"}, user("leaseless")...)...); err == nil || !strings.Contains(err.Error(), "no other running Pod of Fairlead") {
		t.Errorf("a follower names a Pod that is not Fairlead's: %v", err)
	}
	kubelet.rename("events") // as the chart's nameOverride does
	if out, err := plugin(t.Context(), append([]string{"status"}, user("operator")...)...); err != nil || !strings.Contains(out, "1 of 1 clusters are live") {
		t.Errorf("of Pods with another name in their labels it says %q, %v", out, err)
	}
	if out, _ = plugin(t.Context(), "status", "--help"); !strings.Contains(out, "kubectl fairlead status [CLUSTER...]") || strings.Contains(out, "\n  fairlead") {
		t.Errorf("help names it otherwise than people call it:\n%s", out)
	}
}
