package bench

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var configMapsGVR = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// informers are what a program could use instead, each made as its package's
// documentation has it.
var informers = []informerKind{
	{"dynamic", &unstructured.Unstructured{}, dynamicClient},
	{"typed", &corev1.ConfigMap{}, typedClient},
	{"metadata", &metav1.PartialObjectMetadata{}, metadataClient},
}

type informerKind struct {
	name    string
	example runtime.Object
	client  func(b *testing.B, config *rest.Config) cache.ListerWatcher
}

func dynamicClient(b *testing.B, config *rest.Config) cache.ListerWatcher {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	return listWatch(client, client.Resource(configMapsGVR))
}

// listWatch lists and watches with what either client has for a resource.
func listWatch[L runtime.Object](client any, resource interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}) cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: resource.Watch,
	}, client)
}

// typedClient speaks protobuf, as controller-runtime has it for such types.
func typedClient(b *testing.B, config *rest.Config) cache.ListerWatcher {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	return cache.ToListWatcherWithWatchListSemantics(
		cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "configmaps", metav1.NamespaceAll, fields.Everything()), client)
}

// metadataClient speaks protobuf: NewForConfig sees to that.
func metadataClient(b *testing.B, config *rest.Config) cache.ListerWatcher {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	return listWatch(client, client.Resource(configMapsGVR))
}

// informer is one that runs, and whose handler counts what it is told of.
type informer struct {
	*tally
	stop func()
}

func (k informerKind) start(b *testing.B, config *rest.Config) follower {
	i := &informer{tally: newTally()}
	shared := cache.NewSharedIndexInformer(k.client(b, config), k.example, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	count := func(o any) {
		if m, ok := o.(metav1.Object); ok && !isForeign(m.GetNamespace()) {
			i.add(1)
		}
	}
	_, err := shared.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    count,
		UpdateFunc: func(_, o any) { count(o) },
	})
	if err != nil {
		b.Fatal(err)
	}
	i.stop = background(b, func(ctx context.Context) { shared.RunWithContext(ctx) })
	return i
}

func (i *informer) end() { i.stop() }

// bareReader reads a watch and drops what it reads; it only counts the line
// ends. It dials as Fairlead does, HTTP/1.1 with a read buffer of 32 KiB, which
// is the cheapest way with Go's own HTTP client.
type bareReader struct {
	*tally
	stop func()
}

func (s *apiServer) startBareReader(b *testing.B, config *rest.Config) follower {
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		b.Fatal(err)
	}
	tlsConfig.NextProtos = []string{"http/1.1"}
	transport := &http.Transport{TLSClientConfig: tlsConfig, ReadBufferSize: 32 << 10}
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, config.Host+
		"/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=600&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	r := &bareReader{tally: newTally()}
	// The objects that are not ours count here too, and so does the bookmark.
	r.others = s.foreign + 1
	stop := background(b, func(ctx context.Context) {
		if err := r.read(&http.Client{Transport: transport}, request.WithContext(ctx)); ctx.Err() == nil {
			b.Errorf("the bare reader's watch has ended: %v", err)
		}
	})
	r.stop = func() { stop(); transport.CloseIdleConnections() }
	return r
}

// read reads until the watch ends.
func (r *bareReader) read(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buffer)
		if lines := bytes.Count(buffer[:n], []byte{'\n'}); lines > 0 {
			r.add(lines)
		}
		if err != nil {
			return err
		}
	}
}

func (r *bareReader) end() { r.stop() }

// countForeign counts the ConfigMaps that the API server made for itself.
func countForeign(ctx context.Context, config *rest.Config) (n int, err error) {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	list, err := client.Resource(configMapsGVR).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, err
	}
	for _, o := range list.Items {
		if isForeign(o.Namespace) {
			n++
		}
	}
	return n, nil
}
