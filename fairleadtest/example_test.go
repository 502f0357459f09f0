package fairleadtest_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-dev/fairlead/fairleadtest"
)

// Three clusters start. One is cut off, and is back. The history of another is compacted,
// so that a watch from before cannot go on. In a test, Start does what New and Close do
// here.
func Example() {
	ctx := context.Background()
	env, err := fairleadtest.New(ctx, fairleadtest.HubAndMembers(2)...)
	if err != nil {
		panic(err)
	}
	defer env.Close()
	member1, member2 := env.Cluster("member-1"), env.Cluster("member-2")

	// The network to member-1 is a proxy's.
	proxy, err := member1.NewProxy()
	if err != nil {
		panic(err)
	}
	client1 := kubernetes.NewForConfigOrDie(proxy.Config()).CoreV1().ConfigMaps("default")
	client2 := kubernetes.NewForConfigOrDie(member2.Config()).CoreV1().ConfigMaps("default")

	proxy.Cut()
	_, err = client1.List(ctx, metav1.ListOptions{})
	fmt.Println("member-1, cut off: connection refused:", errors.Is(err, syscall.ECONNREFUSED))
	if err := proxy.Restore(); err != nil {
		panic(err)
	}
	_, err = client1.List(ctx, metav1.ListOptions{})
	fmt.Println("member-1, back:", err)

	before, err := client2.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	if err != nil {
		panic(err)
	}
	if err := member2.ExpireWatches(ctx); err != nil {
		panic(err)
	}
	watch, err := client2.Watch(ctx, metav1.ListOptions{ResourceVersion: before.ResourceVersion})
	if err != nil {
		panic(err)
	}
	defer watch.Stop()
	event := <-watch.ResultChan()
	fmt.Println("member-2, compacted: 410 Gone:", apierrors.IsResourceExpired(apierrors.FromObject(event.Object)))

	// Output:
	// member-1, cut off: connection refused: true
	// member-1, back: <nil>
	// member-2, compacted: 410 Gone: true
}
