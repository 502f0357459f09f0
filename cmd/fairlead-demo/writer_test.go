package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// fakeMember is an API server that gives out UIDs, which the fake one does not.
func fakeMember() *fake.Clientset {
	client := fake.NewClientset()
	created := 0
	client.PrependReactor("create", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		created++
		o := action.(clienttesting.CreateAction).GetObject().(*corev1.ConfigMap)
		o.UID = types.UID(strconv.Itoa(created))
		return false, nil, nil
	})
	return client
}

func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeMember()
		stamps := newStamps()
		w := newWriter(client, stamps, 100, 10, 1, 1)
		if err := w.fill(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if got := w.soFar(); got != (writes{created: 100}) {
			t.Fatalf("filled with %+v", got)
		}
		filled := w.soFar()

		stop, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := w.run(t.Context(), stop); err != nil {
			t.Fatal(err)
		}
		done := w.soFar().minus(filled)
		if n := done.total(); n < 199 || n > 201 {
			t.Errorf("%d writes in 20 s at 10 a second", n)
		}
		if done.deleted != done.total()/deleteEvery {
			t.Errorf("%d of %d writes deleted, want one in %d", done.deleted, done.total(), deleteEvery)
		}
		if done.created == 0 || done.updated == 0 {
			t.Errorf("it did %+v, want some of each", done)
		}
		if len(stamps.deleted) != done.deleted {
			t.Errorf("%d deletions have a stamp, of %d", len(stamps.deleted), done.deleted)
		}
		list, err := client.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := 100 + done.created - done.deleted; len(list.Items) != want {
			t.Errorf("the member holds %d objects, want %d", len(list.Items), want)
		}
	})
}

func TestWriterTellsWhatFailed(t *testing.T) {
	client := fakeMember()
	w := newWriter(client, newStamps(), 10, 1000, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	if err := w.fill(ctx, client); err != nil {
		t.Fatal(err)
	}
	client.PrependReactor("*", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, context.DeadlineExceeded
	})
	defer cancel()
	if err := w.run(ctx, ctx); err == nil {
		t.Error("no error")
	}
}
