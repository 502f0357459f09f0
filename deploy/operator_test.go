package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkubectl"
)

// operator is a person with a cluster, who does what the pages say.
type operator struct {
	t       *testing.T
	ctx     context.Context //nolint:containedctx // That of the test, for as long as it.
	client  *kubernetes.Clientset
	dynamic dynamic.Interface
	how     applier
	cli     *testkubectl.CLI

	kubeconfig string // of its cluster
}

func newOperator(t *testing.T, c *testenv.Cluster, how applier) *operator {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(kubeconfig, c); err != nil {
		t.Fatal(err)
	}
	return &operator{
		t: t, ctx: t.Context(), client: newClient(t, c.Config()), dynamic: newDynamic(t, c.Config()), how: how,
		cli: testkubectl.New(t, kubeconfig), kubeconfig: kubeconfig,
	}
}

// applies applies a kustomization, in which DEPLOY stands for this folder.
func (o *operator) applies(kustomization string) {
	o.t.Helper()
	o.appliesAs(o.how, kustomization)
}

// upgrades is applies for what was applied by the version before, as the page says.
func (o *operator) upgrades(kustomization string) {
	o.t.Helper()
	if slices.Equal(o.how, applyServerSide) {
		o.appliesAs(takeOver, kustomization)
		return
	}
	o.applies(kustomization)
}

func (o *operator) appliesAs(how applier, kustomization string) {
	o.t.Helper()
	here, err := os.Getwd()
	if err != nil {
		o.t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(o.t.TempDir())
	if err != nil {
		o.t.Fatal(err)
	}
	way, err := filepath.Rel(dir, here) // kustomize takes no absolute one
	if err != nil {
		o.t.Fatal(err)
	}
	writeFiles(o.t, dir, map[string][]byte{"kustomization.yaml": []byte(strings.ReplaceAll(kustomization, "DEPLOY", filepath.ToSlash(way)))})
	o.kubectl(slices.Concat([]string{"apply", "--kustomize=" + dir}, how)...)
}

// appliesFiles applies files of the version before, as its pages said.
func (o *operator) appliesFiles(edited map[string]string, paths ...string) {
	o.t.Helper()
	for _, path := range paths {
		text := read(o.t, filepath.Join("testdata/before", path))
		for from, to := range edited {
			text = strings.ReplaceAll(text, from, to)
		}
		o.appliesText(applyClientSide, []byte(text))
	}
}

// fleetOf is the folder of these clusters, as the pages have it: the files and what they hold.
func (o *operator) fleetOf(names ...string) map[string][]byte {
	o.t.Helper()
	folder := map[string][]byte{}
	hub := read(o.t, "example/hub/fleet/hub.yaml")
	for _, name := range names {
		text := hub
		if name != "hub" { // is down
			text = strings.ReplaceAll(hub, "https://kubernetes.default.svc", "https://127.0.0.1:1")
		}
		folder[name+".yaml"] = []byte(text)
	}
	return folder
}

// The commands of the pages with which the fleet's Secret is made of the folder, and replaced.
const (
	createFleet  = "kubectl create secret generic fairlead-fleet --namespace=fairlead --from-file=fleet/"
	replaceFleet = createFleet + " --dry-run=client --output=yaml |\n     kubectl replace --filename=-"
)

// describesFleet runs a command where the folder is.
func (o *operator) describesFleet(command string, folder map[string][]byte) {
	o.t.Helper()
	dir := o.t.TempDir()
	writeFiles(o.t, filepath.Join(dir, "fleet"), folder)
	if out, err := o.cli.Shell(o.ctx, "cd "+dir+"\n"+command); err != nil {
		o.t.Fatalf("%v\n%s", err, out)
	}
}

// appliesFleet makes it as the pages of the version before said.
func (o *operator) appliesFleet(names ...string) {
	o.t.Helper()
	o.describesFleet(createFleet+" --dry-run=client --output=yaml | kubectl apply --filename=-", o.fleetOf(names...))
}

// createsFleet and replacesFleet do what the page says now.
func (o *operator) createsFleet(names ...string) {
	o.t.Helper()
	o.describesFleet(createFleet, o.fleetOf(names...))
}

func (o *operator) replacesFleet(names ...string) {
	o.t.Helper()
	o.describesFleet(replaceFleet, o.fleetOf(names...))
	replaced, err := o.client.CoreV1().Secrets("fairlead").Get(o.ctx, "fairlead-fleet", metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	if _, twice := replaced.Annotations[lastApplied]; twice {
		o.t.Error("the kubeconfigs are in an annotation as well")
	}
}

// The pages say what the operator of these tests does.
func TestPagesDescribeTheFleet(t *testing.T) {
	for command, pages := range map[string][]string{
		createFleet:  {"../docs/upgrading.md", installPage},
		replaceFleet: {"../docs/upgrading.md"},
	} {
		for _, page := range pages {
			if !strings.Contains(read(t, page), command) {
				t.Errorf("%s does not say %s", page, command)
			}
		}
	}
}

// fleet returns the names of the clusters in the fleet's Secret.
func (o *operator) fleet() []string {
	o.t.Helper()
	secret, err := o.client.CoreV1().Secrets("fairlead").Get(o.ctx, "fairlead-fleet", metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	var names []string
	for key := range secret.Data {
		names = append(names, strings.TrimSuffix(key, ".yaml"))
	}
	slices.Sort(names)
	return names
}

// state is what must not be lost.
type state struct {
	Fleet    []string
	Claim    string // UID of what holds the ledger
	Flags    []string
	Image    string
	Replicas int32
	Volumes  int
}

func (o *operator) state() state {
	o.t.Helper()
	d, err := o.client.AppsV1().Deployments("fairlead").Get(o.ctx, "fairlead", metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	s := state{Fleet: o.fleet(), Replicas: *d.Spec.Replicas, Volumes: len(d.Spec.Template.Spec.Volumes)}
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claim, err := o.client.CoreV1().PersistentVolumeClaims("fairlead").Get(o.ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
			if err != nil {
				o.t.Fatal(err)
			}
			s.Claim = string(claim.UID)
		}
	}
	c := d.Spec.Template.Spec.Containers[0]
	values := map[string]string{}
	for _, source := range c.EnvFrom {
		flags, err := o.client.CoreV1().ConfigMaps("fairlead").Get(o.ctx, source.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			o.t.Fatal(err)
		}
		values = flags.Data
	}
	s.Flags, s.Image = expand(c.Args, values), c.Image
	return s
}

func (o *operator) configMap(name string) {
	o.t.Helper()
	_, err := o.client.CoreV1().ConfigMaps("default").Create(o.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
}
