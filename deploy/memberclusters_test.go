package deploy

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

// What is applied here and what the program is made for are the same.
func TestMemberClustersHaveOneCRD(t *testing.T) {
	if text := read(t, "components/hub-memberclusters/crd.yaml"); !bytes.Equal([]byte(text), memberstatus.CRD()) {
		t.Error("components/hub-memberclusters/crd.yaml is not internal/memberstatus/crd.yaml")
	}
}

// With the manifests applied as the page says, and nothing else, the account of the Pod keeps
// the objects where the flag says. Without the binding it says what to grant, until that is done.
func TestMemberClusterRightsAreEnough(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cluster := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	component := remote.ReplaceAllString(testpages.Read(t, "../docs/member-clusters.md").After("add the component `hub-memberclusters`"), "DEPLOY/$1")
	newOperator(t, cluster, applyServerSide).applies("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [DEPLOY/base]\n" + component)
	_, c := pod(t, "hub-memberclusters")
	namespace := flagOf(t, c, "member-status")
	account := named[*corev1.ServiceAccount](t, "base", "fairlead")
	client := newClient(t, cluster.Config())
	binding := named[*rbacv1.RoleBinding](t, "hub-memberclusters", "fairlead-members")
	if err := client.RbacV1().RoleBindings(namespace).Delete(ctx, binding.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := client.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var logs strings.Builder
	members := []memberstatus.Member{{Name: "paris", Status: &memberstatus.Status{State: "live"}}}
	w := memberstatus.New(memberstatus.Options{
		Namespace: namespace, Known: func() bool { return true },
		Members: func() ([]memberstatus.Member, bool) {
			mu.Lock()
			defer mu.Unlock()
			return members, true
		},
		Config: func() (*rest.Config, error) {
			return &rest.Config{Host: cluster.URL(), BearerToken: token.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.Config().CAData}}, nil
		},
		Log: funcr.New(func(_, line string) {
			mu.Lock()
			defer mu.Unlock()
			logs.WriteString(line + "\n")
		}, funcr.Options{Verbosity: 1}),
	})
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await := func(what string, ok func() bool) {
		t.Helper()
		if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("%s: did not come about\n%s", what, logs.String())
		}
	}
	await("it says what to grant", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(logs.String(), "deploy/components/hub-memberclusters/role.yaml")
	})
	if strings.Contains(logs.String(), token.Status.Token) {
		t.Error("the log shows the token")
	}
	binding.ResourceVersion = ""
	if _, err := client.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	objects := newDynamic(t, cluster.Config()).Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "memberclusters"}).Namespace(namespace)
	await("paris is there", func() bool {
		o, err := objects.Get(ctx, "paris", metav1.GetOptions{})
		if err != nil {
			return false
		}
		state, _, _ := unstructured.NestedString(o.Object, "status", "state")
		return state == "live"
	})
	mu.Lock()
	members = nil
	mu.Unlock()
	await("paris is gone", func() bool {
		all, err := objects.List(ctx, metav1.ListOptions{})
		return err == nil && len(all.Items) == 0
	})
}
