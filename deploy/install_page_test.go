package deploy

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

const installPage = "../docs/install.md"

// Each piece of YAML on the page is accepted as values of the chart, together with what the
// page begins with, and the program accepts what comes of it.
func TestValuesOnThePage(t *testing.T) {
	chartFiles(t)
	helm := testhelm.Require(t)
	count := 0
	for _, match := range yamlBlock.FindAllStringSubmatch(read(t, installPage), -1) {
		values := strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n")
		chart := "fairlead"
		if strings.HasPrefix(values, "\n# member.yaml") {
			chart = "fairlead-member"
		}
		text, err := rendering{chart: chart, values: values}.template(t.Context(), helm)
		if err != nil {
			t.Errorf("%v in\n%s", err, values)
			continue
		}
		for _, object := range documents(t, text) {
			data, _ := object.Object["data"].(map[string]any)
			if file, ok := data["fairlead.yaml"].(string); ok {
				count++
				configurationIsValid(t, file)
			}
		}
	}
	if count < 8 {
		t.Errorf("the page shows %d values; are they written otherwise now?", count)
	}
}

// A user goes by the page from a new namespace to one that is gone, by the commands as they
// stand, with the real kubectl and Helm, on the API servers of a hub and a member. What runs no
// Pods here is told in controllers and kubelet.
func TestCommandsOnThePage(t *testing.T) {
	chartFiles(t)
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "paris"})
	hub, paris := env.Clusters[0], env.Clusters[1]
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(kubeconfig, hub, paris); err != nil {
		t.Fatal(err)
	}
	inHub := newControllers(t, hub)
	w := newWalk(t, kubeconfig, strings.NewReplacer("fairlead lease ", "bin/fairlead lease "), inHub, newControllers(t, paris))
	o := newOperator(t, hub, nil)
	shown := testpages.Read(t, installPage)
	for _, b := range shown.Blocks("yaml") { // what the page has the reader write
		if name, ok := strings.CutPrefix(b.Text, "# "); ok {
			name, _, _ = strings.Cut(name, "\n")
			writeFiles(t, w.dir, map[string][]byte{name: []byte(b.Text)})
		}
	}
	use := func(context string) func() {
		return func() {
			if _, err := w.cli.Run(t.Context(), "config", "use-context", context); err != nil {
				t.Fatal(err)
			}
		}
	}
	use("hub")()
	installed := func(t *testing.T, _ string) {
		t.Helper()
		if got := o.template().Spec.Containers[0].Image; got != "registry.example/fairlead:v0.2.0" {
			t.Errorf("the image is %s", got)
		}
	}

	w.follows(shellBlocks(shown), []step{
		{begins: "make image ", not: "no image is built here: TestMakeImage and TestImageFitsThePod are about it"},
		{begins: "make image-archive", not: "no image is built here, and there is no registry to push it to"},
		{begins: "kubectl create namespace fairlead\nkubectl label"},
		{begins: "helm install fairlead deploy/charts/fairlead", after: installed},
		{begins: "kubectl create secret generic fairlead-fleet", before: func() {
			dir := filepath.Join(w.dir, "fleet")
			writeFiles(t, dir, nil)
			if err := testenv.WriteKubeconfig(filepath.Join(dir, "paris.yaml"), paris); err != nil {
				t.Fatal(err)
			}
		}, after: func(t *testing.T, _ string) {
			t.Helper()
			inHub.pod.refresh(t.Context()) // as the kubelet does after a while
			inHub.pod.await("a ConfigMap of paris", func(e event) bool { return e.Cluster == "paris" && e.Kind == "ConfigMap" })
		}},
		{begins: "helm test", but: "kubectl --namespace=fairlead exec", not: "the node of this test runs nothing in a Pod: TestKubectl asks the program from outside"},
		{begins: "kubectl create namespace fairlead\nhelm install fairlead deploy/charts/fairlead-member", before: use("paris"), after: func(t *testing.T, out string) {
			t.Helper()
			if !strings.Contains(out, "set-credentials") {
				t.Errorf("helm does not say how to make a kubeconfig:\n%s", out)
			}
			use("hub")()
		}},
		{begins: "kubectl create secret generic fairlead-postgres", before: func() {
			writeFiles(t, w.dir, map[string][]byte{"password": []byte("secret"), "ca.crt": []byte("of a CA")})
		}},
		{begins: "kubectl label namespace monitoring", before: func() {
			if _, err := w.cli.Run(t.Context(), "create", "namespace", "monitoring"); err != nil {
				t.Fatal(err)
			}
		}},
		{begins: "helm upgrade", after: installed},
		{begins: "kubectl --namespace=fairlead delete deployment", not: "nothing is installed from manifests here: TestFromManifestsToChart runs it"},
		{begins: "helm uninstall", after: func(t *testing.T, _ string) {
			t.Helper()
			if out, err := w.cli.Run(t.Context(), "get", "deployments,persistentvolumeclaims", "--namespace=fairlead", "--output=name"); err != nil || out != "persistentvolumeclaim/fairlead-data\n" {
				t.Errorf("what is left: %v\n%s", err, out)
			}
		}},
		{begins: "fairlead lease delete", after: func(t *testing.T, out string) {
			t.Helper()
			if out != "There is no Lease fairlead/fairlead\n" { // no Pod stood by
				t.Errorf("of the Lease:\n%s", out)
			}
		}},
		{begins: "kubectl delete namespace", after: func(t *testing.T, _ string) {
			t.Helper()
			if out, err := w.cli.Run(t.Context(), "get", "namespace", "fairlead", "--ignore-not-found"); err != nil || out != "" {
				t.Errorf("the namespace is still there: %v\n%s", err, out)
			}
		}},
	})
}
