package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

const gettingStarted = "../docs/getting-started.md"

// A new user comes from nothing to the first change, and back to nothing, by the commands of
// the page as they stand: with the real kubectl and Helm, on the API servers of a hub and a
// member. What runs no Pods here is told in controllers and kubelet: the Pod is the program of
// this test, with the arguments, variables, files and account that the Deployment gives it.
func TestFromNothingToTheFirstChange(t *testing.T) {
	chartFiles(t)
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "paris"})
	hub, paris := env.Clusters[0], env.Clusters[1]
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(kubeconfig, paris, hub); err != nil {
		t.Fatal(err)
	}
	inHub := newControllers(t, hub)
	w := newWalk(t, kubeconfig, strings.NewReplacer("https://paris-control-plane:6443", paris.Config().Host), inHub, newControllers(t, paris))
	operators := []*operator{newOperator(t, hub, nil), newOperator(t, paris, nil)}
	before := [][]string{operators[0].objects(), operators[1].objects()}

	page := testpages.Read(t, gettingStarted).Part("## In a cluster")
	w.follows(shellBlocks(page), []step{
		{begins: "kind create cluster", not: "the clusters are those of this test, with the contexts that the page names"},
		{begins: "git clone", not: "this is the clone, and TestMakeImage and TestImageFitsThePod are about the image"},
		{begins: "kind load docker-image", not: "no cluster of this test pulls images"},
		{begins: "kubectl config use-context hub", after: func(t *testing.T, _ string) {
			if current, err := w.cli.Run(t.Context(), "config", "current-context"); err != nil || current != "hub\n" {
				t.Errorf("the context is %q, %v", current, err)
			}
		}},
		{begins: "kubectl --context=paris create namespace"},
		{begins: "server=", after: func(t *testing.T, _ string) {
			t.Helper()
			config := filepath.Join(w.dir, "fleet", "paris.yaml")
			if out, err := w.cli.Run(t.Context(), "auth", "can-i", "watch", "configmaps", "--all-namespaces", "--kubeconfig="+config); err != nil || out != "yes\n" {
				t.Errorf("the account may not watch: %s, %v", out, err)
			}
			if out, err := w.cli.Run(t.Context(), "auth", "can-i", "list", "secrets", "--kubeconfig="+config); err == nil {
				t.Errorf("the account may read Secrets: %s", out)
			}
		}},
		{begins: "kubectl create namespace fairlead"},
		{begins: "kubectl --namespace=fairlead rollout status", after: func(t *testing.T, out string) {
			if !strings.Contains(out, `deployment "fairlead" successfully rolled out`) {
				t.Error(out)
			}
			if got := operators[0].template().Spec.Containers[0].Image; !strings.Contains(page.Text(), "docker push "+got+"\n") {
				t.Errorf("the Pod's image is %s, which the page does not push", got)
			}
		}},
		{begins: "kubectl --namespace=fairlead logs --follow", stays: true},
		{begins: "kubectl --context=paris create configmap greeting", after: func(t *testing.T, _ string) {
			t.Helper()
			got := inHub.pod.logs("greeting")
			if diff := cmp.Diff(shownEvent(t, page), got); diff != "" {
				t.Errorf("the event of the page, and that of the log (-want +got):\n%s", diff)
			}
		}},
		{begins: "kubectl --namespace=fairlead scale", before: inHub.isFollowed, after: func(t *testing.T, _ string) {
			t.Helper()
			followed := <-w.stayed // its Pod has ended
			if followed.err != nil || !strings.Contains(followed.text, `"subject":"/api/v1/namespaces/default/configmaps/greeting"`) {
				t.Errorf("the log that was followed has no event of greeting: %v\n%s", followed.err, followed.text)
			}
		}},
		{begins: "kubectl --namespace=fairlead logs", before: func() { inHub.pod.logs("greeting") }, after: func(t *testing.T, out string) {
			if strings.Count(out, "\n") != 1 || !strings.Contains(out, "dev.fairlead.resource.deleted.v1") || !strings.Contains(out, "configmaps/greeting") {
				t.Errorf("after the restart there is not the deletion only:\n%s", out)
			}
		}},
		{begins: "make build", not: "the program is built by this test, and stands in bin"},
		{begins: "ln -s", after: func(t *testing.T, out string) {
			if !regexp.MustCompile(`(?m)^paris +live `).MatchString(out) {
				t.Errorf("it does not say that paris is live:\n%s", out)
			}
		}},
		{begins: "helm uninstall", after: func(t *testing.T, _ string) {
			for i, o := range operators {
				if diff := cmp.Diff(before[i], outside(o.objects())); diff != "" {
					t.Errorf("what is left in %s (-before +after):\n%s", []string{"the hub", "the member"}[i], diff)
				}
			}
			if left, err := os.ReadDir(w.dir); err != nil || len(left) != 2 {
				t.Errorf("what is left in the clone, besides bin and deploy: %v, %v", left, err)
			}
		}},
		{begins: "kind delete", not: "the clusters end with this test"},
	})
}

// isFollowed waits until somebody follows the log of the Pod, who else would follow the next one.
func (c *controllers) isFollowed() {
	c.t.Helper()
	err := wait.PollUntilContextTimeout(c.t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return c.kubelet.node.Followers("fairlead", c.pod.name) > 0, nil
	})
	if err != nil {
		c.t.Fatalf("nobody follows the log: %v", err)
	}
}

// outside leaves out what went with the namespace: nothing empties namespaces here.
func outside(objects []string) []string {
	return slices.DeleteFunc(objects, func(o string) bool { return strings.Contains(o, " fairlead/") })
}

// told is of an event what the page shows of it.
type told struct {
	SpecVersion, Type, Source, Subject string
}

// shownEvent returns the event that the page shows, in part.
func shownEvent(t *testing.T, page *testpages.Page) told {
	t.Helper()
	for _, b := range page.Blocks("json") {
		var e told
		whole := strings.NewReplacer(",…,", ",", "{…}", "{}").Replace(b.Text)
		if json.Unmarshal([]byte(whole), &e) == nil {
			return e
		}
	}
	t.Fatalf("%s shows no event", gettingStarted)
	return told{}
}

// logs waits until the Pod's log has an event of a ConfigMap, and returns the first one.
func (p *runningPod) logs(name string) (found told) {
	p.t.Helper()
	err := wait.PollUntilContextTimeout(p.t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		for line := range strings.Lines(read(p.t, p.log)) {
			if !strings.HasSuffix(line, "\n") {
				break // it is being written
			}
			var e told
			if json.Unmarshal([]byte(line), &e) == nil && strings.HasSuffix(e.Subject, "/configmaps/"+name) {
				found = e
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		p.t.Fatalf("no event of %s in the log\n%s", name, read(p.t, p.log))
	}
	return found
}
