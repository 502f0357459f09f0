package deploy

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

const page = "../docs/upgrading.md"

var (
	yamlBlock = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")
	remote    = regexp.MustCompile(`https://github\.com/fairlead-dev/fairlead//deploy/(\S+)\?ref=\S+`)
)

// blocks returns the YAML that a page shows, of those that hold a text.
func blocks(t *testing.T, holds string) []string {
	t.Helper()
	var found []string
	for _, match := range yamlBlock.FindAllStringSubmatch(read(t, page), -1) {
		if block := strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n"); strings.Contains(block, holds) {
			found = append(found, block)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s shows no YAML that holds %q", page, holds)
	}
	return found
}

// What the page shows is accepted by an API server, its Pods in the restricted
// namespace.
func TestPageIsTrue(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	o := newOperator(t, hub, applyServerSide)
	for _, kustomization := range blocks(t, "kind: Kustomization") {
		if strings.Contains(kustomization, "platform") {
			o.appliesText(o.how, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: platform}"))
		}
		o.applies(remote.ReplaceAllString(kustomization, "DEPLOY/$1"))
		d, err := o.client.AppsV1().Deployments("fairlead").Get(o.ctx, "fairlead", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o.admits(d)
		if d.Spec.Template.Spec.Containers[0].Name != "fairlead" {
			t.Error("the first container is another one, so that flags would be added to that")
		}
	}
	role, err := o.client.RbacV1().RoleBindings("platform").Get(o.ctx, "fairlead-clusters", metav1.GetOptions{})
	if err != nil || role.Subjects[0].Namespace != "fairlead" {
		t.Errorf("who is bound in another namespace: %+v, %v", role, err)
	}
	for _, text := range blocks(t, "kind: Pod\n") {
		objects, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.client.CoreV1().Pods("fairlead").Create(o.ctx, objects[0].(*corev1.Pod), metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// admits asks whether the API server lets the Deployment's Pod in.
func (o *operator) admits(d *appsv1.Deployment) {
	o.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "try-"}, Spec: d.Spec.Template.Spec}
	if _, err := o.client.CoreV1().Pods("fairlead").Create(o.ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		o.t.Error(err)
	}
}

// The page and the example name components and folders that there are.
func TestPageNamesWhatThereIs(t *testing.T) {
	text := read(t, page)
	for path := range files(t, "components") {
		name := strings.Split(path, "/")[1]
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s does not tell of the component %s", page, name)
		}
	}
	for _, folder := range slices.Concat(hubFolders, memberFolders) {
		if !strings.Contains(text, folder) {
			t.Errorf("%s does not tell of %s", page, folder)
		}
	}
}
