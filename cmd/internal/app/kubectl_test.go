package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkubectl"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

// runPlugin is fairlead's main as a plugin of kubectl, if it is called so.
func runPlugin(args []string) error {
	cmd := NewCommand(Options{Version: "test", Program: os.Args[0]})
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", err)
	}
	os.Exit(ExitCode(err))
	return nil
}

// user is somebody with kubectl, who does what the pages say.
type user struct {
	*testkubectl.CLI

	t        *testing.T
	expected map[string]bool // lines of pages that were typed
}

// in returns the user in a subtest.
func (u *user) in(t *testing.T) *user { return &user{u.CLI, t, map[string]bool{}} }

// newUser has the plugin, and its completion as the page has it, in the PATH.
func newUser(t *testing.T, kubeconfig string) *user {
	t.Helper()
	folder := t.TempDir()
	self := must(os.Executable())(t)
	if err := os.Symlink(self, filepath.Join(folder, "kubectl-fairlead")); err != nil {
		t.Fatal(err)
	}
	page := string(must(os.ReadFile("../../../docs/cli.md"))(t))
	_, script, _ := strings.Cut(page, "`kubectl_complete-fairlead` in the `PATH`:\n\n```sh\n")
	script, _, ok := strings.Cut(script, "```")
	if !ok {
		t.Fatal("docs/cli.md has no kubectl_complete-fairlead")
	}
	if err := os.WriteFile(filepath.Join(folder, "kubectl_complete-fairlead"), []byte(script), 0o755); err != nil { //nolint:gosec // It is executed.
		t.Fatal(err)
	}
	u := &user{CLI: testkubectl.New(t, kubeconfig, folder), t: t, expected: map[string]bool{}}
	u.Env = []string{asChild + "=plugin"}
	return u
}

// types runs a line, and returns what it prints, with one space where there are several.
func (u *user) types(line string) string {
	u.t.Helper()
	out, err := u.Shell(u.t.Context(), line)
	if err != nil {
		u.t.Errorf("%s\n%s%v", line, out, err)
	}
	return regexp.MustCompile(" +").ReplaceAllString(out, " ")
}

// expects is types for a line of a page that prints all of want and nothing of not.
func (u *user) expects(page, line string, want, not []string) {
	u.t.Helper()
	if text := string(must(os.ReadFile("../../../docs/" + page))(u.t)); !strings.Contains(text, line+"\n") {
		u.t.Errorf("docs/%s does not say %s", page, line)
	}
	u.expected[line] = true
	out := u.types(strings.ReplaceAll(strings.TrimPrefix(line, "$ "), "edge-1", "paris"))
	for _, s := range want {
		if !strings.Contains(out, s) {
			u.t.Errorf("%s\nprints no %q:\n%s", line, s, out)
		}
	}
	for _, s := range not {
		if strings.Contains(out, s) {
			u.t.Errorf("%s\nprints %q:\n%s", line, s, out)
		}
	}
}

// What the pages say to do with kubectl does what they say, with the kubectl of Kubernetes
// on a real API server: of the status of members, of records, and of the plugin.
func TestKubectl(t *testing.T) {
	host := must(os.Hostname())(t) // the Lease names it, as in a Pod
	if wrong := validation.IsDNS1123Subdomain(host); len(wrong) > 0 || len(host) > 63 {
		t.Skipf("this host is called %q, as no Pod is: %v", host, wrong)
	}
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	kubeconfig := writeKubeconfig(t, c)
	u := newUser(t, kubeconfig)
	components := must(filepath.Abs("../../../deploy/components"))(t)
	for _, folder := range []string{"hub-memberclusters", "hub-records"} {
		for _, file := range []string{"crd.yaml", "namespace.yaml"} {
			u.types("kubectl apply --server-side --filename=" + filepath.Join(components, folder, file))
		}
	}
	u.types("kubectl wait --for=condition=Established --timeout=2m crd/memberclusters.fairlead.dev crd/records.records.fairlead.dev")

	shop, pods := newObjects(t, c, "shop"), newObjects(t, c, "fairlead")
	kubelet := newFakeKubelet(t, c, pods.namespace)
	member := newProxy(t, c)
	member.Cut()
	dir := t.TempDir()
	if err := testenv.WriteKubeconfig(filepath.Join(dir, "paris"), member); err != nil {
		t.Fatal(err)
	}
	r := start(t, "--clusters=dir:"+dir, "--watch=configmaps?namespace=shop", "--watch=deployments.apps?namespace=shop", "--hub-kubeconfig="+kubeconfig,
		"--member-status=fairlead-members", "--sink=hub:fairlead-records?object=full&kubeconfig="+kubeconfig,
		"--leader-elect", "--leader-elect-lock=lease:fairlead/events-fairlead", "--admin-bind-address=127.0.0.1:0")
	r.await("it leads", func() bool { return r.program.current() != nil })
	labels := map[string]string{"app.kubernetes.io/name": "fairlead"}
	kubelet.run(host, r.program.adminAddress.String(), labels)
	kubelet.run("0", "127.0.0.1:1", labels) // answers nothing

	t.Run("members", func(t *testing.T) {
		u := u.in(t)
		u.types("kubectl wait --for=create --timeout=2m membercluster/paris --namespace=fairlead-members")
		u.types("kubectl wait --for=condition=Reachable=False --timeout=2m membercluster/paris --namespace=fairlead-members")
		const wait = "kubectl wait --for=condition=Synced membercluster/edge-1 --namespace=fairlead-members"
		if out, err := u.Shell(t.Context(), strings.ReplaceAll(wait, "edge-1", "paris")+" --timeout=0"); err == nil {
			t.Errorf("it is in sync while it is down: %s", out)
		}
		done := make(chan string, 1)
		go func() { done <- u.types(strings.ReplaceAll(wait, "edge-1", "paris") + " --timeout=2m") }()
		restore(t, member)
		if out := <-done; out != "membercluster.fairlead.dev/paris condition met\n" {
			t.Errorf("%q", out)
		}
		u.expects("member-clusters.md", "$ "+wait, []string{"membercluster.fairlead.dev/paris condition met\n"}, nil)
		u.types("kubectl wait --for=condition=Fresh --timeout=2m membercluster/paris --namespace=fairlead-members")
		u.expects("member-clusters.md", "$ kubectl get memberclusters --namespace=fairlead-members", []string{
			"NAME REACHABLE SYNCED FRESH THROTTLED LIVE STREAMS VERSION AGE\n", "paris True True True False 2 2 v1.",
		}, nil)
		u.expects("member-clusters.md", "kubectl get memberclusters --namespace=fairlead-members --selector=fairlead.dev/member=edge-1", []string{"\nparis True "}, nil)
		u.expects("member-clusters.md", "kubectl get leases --namespace=fairlead --output=custom-columns='NAME:.metadata.name,HOLDER:.spec.holderIdentity,RENEWED:.spec.renewTime,SECONDS:.spec.leaseDurationSeconds'",
			[]string{"NAME HOLDER RENEWED SECONDS\n", "events-fairlead "}, nil)
		for _, b := range testpages.Read(t, "../../../docs/member-clusters.md").Blocks("", "sh") {
			for line := range strings.Lines(b.Text) {
				if line = strings.TrimSpace(line); strings.Contains(line, "kubectl ") && !u.expected[line] {
					t.Errorf("the page has a command that this test does not type: %s", line)
				}
			}
		}
		if out := u.types("kubectl get mc -n fairlead-members -l fairlead.dev/member=paris -o wide"); !strings.Contains(out, "AGE REASON ATTEMPT NEXT RETRY UID SOURCE\n") || !strings.Contains(out, dir) {
			t.Errorf("a wide table:\n%s", out)
		}
	})
	t.Run("records", func(t *testing.T) {
		u := u.in(t)
		deployments := must(appsv1client.NewForConfig(c.Config()))(t).Deployments("shop")
		for _, name := range []string{"checkout", "cart"} {
			labels := map[string]string{"app": name}
			_ = must(deployments.Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "registry.example/" + name + ":1"}}}},
			}}, metav1.CreateOptions{}))(t)
			u.types("kubectl wait --for=create --timeout=2m -n fairlead-records record -l cluster=paris --field-selector spec.name=" + name)
		}
		shop.create("prices")
		u.types("kubectl wait --for=create --timeout=2m -n fairlead-records record -l resource=configmaps --field-selector spec.name=prices")
		shop.delete("prices")
		u.types("kubectl wait --for=create --timeout=2m -n fairlead-records record -l deleted --field-selector spec.name=prices")
		const hub, get = "sinks/hub.md", "kubectl get records -n fairlead-records -l "
		head := "NAME CLUSTER RESOURCE NAMESPACE OBJECT OBSERVED DELETED\n"
		checkout, cart, prices := " paris deployments.apps shop checkout ", " paris deployments.apps shop cart ", " paris configmaps shop prices "
		u.expects(hub, "$ "+get+"cluster=paris", []string{head, checkout, cart, prices}, nil)
		u.expects(hub, get+"'cluster=paris,!deleted'", []string{head, checkout, cart}, []string{"prices"})
		u.expects(hub, get+"'resource=deployments.apps,!deleted' --field-selector spec.name=checkout", []string{head, checkout}, []string{"cart", "prices"})
		u.expects(hub, get+"deleted --sort-by=.spec.deleted", []string{head, prices}, []string{"checkout", "cart"})
		u.expects(hub, get+"'!deleted' --sort-by=.spec.observed", []string{head, checkout, cart}, []string{"prices"})
		u.expects(hub, get+`'resource=deployments.apps,!deleted' -o jsonpath='{range .items[*]}{.spec.cluster}{"\t"}{.spec.object.spec.template.spec.containers[*].image}{"\n"}{end}' | sort | uniq -c`,
			[]string{" 1 paris\tregistry.example/cart:1\n 1 paris\tregistry.example/checkout:1\n"}, nil)
	})
	t.Run("plugin", func(t *testing.T) {
		u := u.in(t)
		r.await("it is live", func() bool { return r.streamsLive("paris") })
		u.expects("cli.md", "kubectl fairlead status", []string{"NAME STATE SINCE", "\nparis live ", "1 of 1 clusters are live"}, nil)
		if out := u.types("kubectl plugin list"); !strings.Contains(out, "/kubectl-fairlead\n") || strings.Contains(out, "warning") {
			t.Errorf("kubectl does not know the plugin:\n%s", out)
		}
		if out := u.types("kubectl __complete fairlead status p"); !strings.Contains(out, "paris\tlive\n") {
			t.Errorf("p is not completed by the name of a cluster:\n%s", out)
		}
		if out := u.types("kubectl __complete fairlead st"); !strings.Contains(out, "status\t") {
			t.Errorf("st is not completed to status:\n%s", out)
		}
		// Another release in the namespace.
		lease := filepath.Join(t.TempDir(), "lease")
		writeFile(t, lease, "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: another, namespace: fairlead}, spec: {holderIdentity: '0_7d0ff6a2-6a4c-4d7c-8d0a-1c1a3f0e9b11'}}")
		u.types("kubectl create --filename=" + lease)
		if out, err := u.Run(t.Context(), "fairlead", "status"); err == nil || !strings.Contains(err.Error(), "Leases are another, events-fairlead; name one with --lease") {
			t.Errorf("of two releases it says %q, %v", out, err)
		}
		if out := u.types("kubectl fairlead status --lease=events-fairlead"); !strings.Contains(out, "1 of 1 clusters are live") {
			t.Errorf("of the one that is named it says %q", out)
		}
		if out, err := u.Run(t.Context(), "fairlead", "status", "-n", "shop"); err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(err.Error(), "no Pod") {
			t.Errorf("where there is none it says %q, %v", out, err)
		}
	})
}
