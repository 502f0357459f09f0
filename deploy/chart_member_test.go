package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// firstMemberChart is the chart of members as it was first.
const firstMemberChart = "testdata/before/charts/fairlead-member-0.1.0.tgz"

// What the chart of members installs lets its account read what is watched, as the API server answers
// when it is asked for the account. An upgrade, also of what the Helm before has installed of the first
// chart, keeps the objects: the account with its UID, and the Secret with the token in it, which
// kubeconfigs hold. It takes away the rights to what is not watched any more, and nothing is left after
// the removal.
//
// It is not tested that the member accepts the token: the API server runs without controllers, and a
// stand-in fills the Secret. The first chart has the templates of today, so that the upgrade from it
// shows what a change of Helm does, and will show what a change of the chart does.
func TestMemberChartIsInstalledUpgradedAndRemoved(t *testing.T) {
	member := testenv.Start(t, testenv.Spec{Name: "paris"}).Clusters[0]
	r, inMember := newRelease(t, member), newControllers(t, member)
	before := r.objects()
	const values = `watches: [configmaps, "secrets?namespace=fairlead"]`
	r.helmBy(testhelm.Require3(t), "install", values, firstMemberChart)
	inMember.makesTokens(t.Context())
	account, token := r.account(t)
	if len(token) == 0 {
		t.Fatal("there is no token")
	}
	reads := func(secrets, deployments bool) {
		t.Helper()
		for _, verb := range []string{"list", "watch"} {
			r.may(t, verb, "configmaps", "default", true)
			r.may(t, verb, "secrets", "fairlead", secrets)
			r.may(t, verb, "secrets", "default", false)
			r.may(t, verb, "deployments", "default", deployments)
		}
		r.may(t, "delete", "configmaps", "default", false)
		if is, has := r.account(t); is != account || has != token {
			t.Error("the account or its token is another one: kubeconfigs with the token are of no use any more")
		}
	}
	reads(true, false)
	notes := r.helm("upgrade", values, "charts/fairlead-member")
	if !strings.Contains(notes, "get secret fairlead-token") {
		t.Errorf("the notes do not tell of the token:\n%s", notes)
	}
	reads(true, false)
	r.helm("upgrade", "watches: [configmaps, deployments.apps]\nvoter: {enabled: true}", "charts/fairlead-member", "--server-side=true")
	reads(false, true)
	r.helm("uninstall", "")
	if diff := cmp.Diff(before, r.objects()); diff != "" {
		t.Errorf("what is left (-before +after):\n%s", diff)
	}
}

// account returns the UID of the account of the release, and its token.
func (r *release) account(t *testing.T) (uid types.UID, token string) {
	t.Helper()
	account, err := r.client.CoreV1().ServiceAccounts("fairlead").Get(r.ctx, "fairlead", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := r.client.CoreV1().Secrets("fairlead").Get(r.ctx, "fairlead-token", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return account.UID, string(secret.Data[corev1.ServiceAccountTokenKey])
}

// groups are those of resources that are not in the core.
var groups = map[string]string{"deployments": "apps"}

// may says whether the account of the release may do something.
func (r *release) may(t *testing.T, verb, resource, namespace string, want bool) {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": map[string]any{
			"user":               "system:serviceaccount:fairlead:fairlead",
			"resourceAttributes": map[string]string{"verb": verb, "group": groups[resource], "resource": resource, "namespace": namespace},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The API server learns of new roles within moments.
	var answer struct{ Status struct{ Allowed bool } }
	err = wait.PollUntilContextTimeout(r.ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		raw, err := r.client.AuthorizationV1().RESTClient().Post().Resource("subjectaccessreviews").Body(text).DoRaw(ctx)
		if err != nil {
			return false, err
		}
		return json.Unmarshal(raw, &answer) == nil && answer.Status.Allowed == want, nil
	})
	if err != nil {
		t.Errorf("%s %s in %s: allowed is not %v: %v", verb, resource, namespace, want, err)
	}
}
