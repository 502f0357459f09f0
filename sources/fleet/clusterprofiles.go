package fleet

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// profileVersions are the versions of ClusterProfile that are understood, in the
// order tried. v1alpha1 comes first because both releases that serve v1alpha2
// serve it too, and only it has the field that the first releases filled.
var profileVersions = []string{"v1alpha1", "v1alpha2"}

var errNoProfiles = errors.New("the hub serves no ClusterProfiles; install the CRD of sigs.k8s.io/cluster-inventory-api")

// profilesProvider describes one cluster per ClusterProfile of the hub. The
// profile says where the cluster is; the credentials come from a command of the
// operator's, see accessProvider.
type profilesProvider struct {
	value     string
	namespace string // empty for all
	selector  string
	path      string // of the file that lists the access providers
}

func (p *profilesProvider) String() string { return p.value }

// NeedsHub makes the provider a HubReader.
func (p *profilesProvider) NeedsHub() {}

func (p *profilesProvider) NewScanner() Scanner {
	return &profilesScanner{
		provider: p,
		informer: &hubInformer{what: "ClusterProfiles " + inNamespace(p.namespace), absent: errNoProfiles},
		objects:  newDescriptions("multicluster.x-k8s.io/v1alpha1", "ClusterProfile"),
	}
}

type profilesScanner struct {
	provider *profilesProvider
	informer *hubInformer
	objects  *descriptions
	version  atomic.Int32 // index into profileVersions

	last, taken digest // of the file, as in kubeconfigFile
	polled      bool
	access      []accessProvider // of the last usable file
	accessErr   error
}

func (s *profilesScanner) Scan() []Description {
	s.readAccess()
	objects, err := s.informer.look()
	inputs := hex.EncodeToString(s.taken[:])
	findings := s.objects.updateWith(inputs, objects, func(o metav1.Object, f Description) (Description, error) {
		f.Name = cmp.Or(f.Name, o.GetName())
		f.Chosen = f.Name != o.GetName()
		return s.describe(o.(*unstructured.Unstructured), f)
	})
	if s.accessErr != nil {
		findings = append(findings, Description{Source: "file " + s.provider.path, Err: s.accessErr})
	}
	if err != nil {
		findings = append(findings, Description{Source: s.provider.value, Err: err})
	}
	return findings
}

// readAccess reads the operator's file. A change counts once two readings agree;
// a file that has become useless changes nothing.
func (s *profilesScanner) readAccess() {
	data, err := readFile(s.provider.path)
	var h hasher
	h.add(s.provider.path, data, err)
	seen := h.sum()
	settled := !s.polled || seen == s.last
	s.polled, s.last = true, seen
	if !settled || seen == s.taken {
		return
	}
	var access []accessProvider
	if err == nil {
		access, err = parseAccessProviders(data)
	}
	if s.accessErr = err; err == nil {
		s.access = access
	}
	s.taken = seen
}

// Complete implements Completer.
func (s *profilesScanner) Complete() bool { return s.informer.complete() }

func (s *profilesScanner) Follow(ctx context.Context, env Env, changed func()) error {
	client, err := dynamic.NewForConfig(env.Hub)
	if err != nil {
		return fmt.Errorf("--clusters %s: %w", s.provider, err)
	}
	profiles := func() dynamic.ResourceInterface {
		return client.Resource(schema.GroupVersionResource{
			Group: "multicluster.x-k8s.io", Version: profileVersions[s.version.Load()], Resource: "clusterprofiles",
		}).Namespace(s.provider.namespace)
	}
	// A version that is not there, or no longer, makes the next attempt try the
	// next one.
	tried := func(err error) {
		if apierrors.IsNotFound(err) {
			s.version.Store((s.version.Load() + 1) % int32(len(profileVersions)))
		}
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = s.provider.selector
			list, err := profiles().List(ctx, o)
			tried(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = s.provider.selector
			w, err := profiles().Watch(ctx, o)
			tried(err)
			return w, err
		},
	}
	return s.informer.run(ctx, env.Hub, lw, client, &unstructured.Unstructured{}, trimProfile, changed)
}

// trimProfile keeps what is read of a profile: of the status, which may list many
// properties, how to reach the cluster.
func trimProfile(o any) (any, error) {
	profile, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	profile.SetManagedFields(nil)
	unstructured.RemoveNestedField(profile.Object, "status", "conditions")
	unstructured.RemoveNestedField(profile.Object, "status", "properties")
	return profile, nil
}

// profileAccess is an entry of status.accessProviders, or of the deprecated
// status.credentialProviders.
type profileAccess struct {
	Name    string `json:"name"`
	Cluster struct {
		Server               string `json:"server"`
		TLSServerName        string `json:"tls-server-name"`
		Insecure             bool   `json:"insecure-skip-tls-verify"`
		CertificateAuthority string `json:"certificate-authority"`
		CAData               []byte `json:"certificate-authority-data"`
		ProxyURL             string `json:"proxy-url"`
		DisableCompression   bool   `json:"disable-compression"`
		Extensions           []struct {
			Name      string          `json:"name"`
			Extension json.RawMessage `json:"extension"`
		} `json:"extensions"`
	} `json:"cluster"`
}

// describe makes a member of a profile.
func (s *profilesScanner) describe(profile *unstructured.Unstructured, f Description) (Description, error) {
	if len(s.access) == 0 {
		return f, fmt.Errorf("no access providers are known; see file %s", s.provider.path)
	}
	var content struct {
		Status struct {
			Access      []profileAccess `json:"accessProviders"`
			Credentials []profileAccess `json:"credentialProviders"`
		} `json:"status"`
	}
	data, err := profile.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(data, &content)
	}
	if err != nil {
		return f, errors.New("status.accessProviders is not as the API says")
	}
	offers := append(content.Status.Access, content.Status.Credentials...)
	for i := range s.access {
		for j := range offers {
			if offers[j].Name == s.access[i].Name {
				return describeAccess(&s.access[i], &offers[j], f)
			}
		}
	}
	if len(offers) == 0 {
		return f, errors.New("status.accessProviders is empty; the cluster manager has to fill it")
	}
	return f, fmt.Errorf("none of its %d access providers, such as %q, is listed in file %s", len(offers), clip(offers[0].Name), s.provider.path)
}

// describeAccess combines where the cluster is with how to get credentials.
func describeAccess(provider *accessProvider, offer *profileAccess, f Description) (Description, error) {
	cluster := clientcmdapi.NewCluster()
	cluster.Server = offer.Cluster.Server
	cluster.TLSServerName = offer.Cluster.TLSServerName
	cluster.InsecureSkipTLSVerify = offer.Cluster.Insecure
	cluster.CertificateAuthority = offer.Cluster.CertificateAuthority
	cluster.CertificateAuthorityData = offer.Cluster.CAData
	cluster.ProxyURL = offer.Cluster.ProxyURL
	cluster.DisableCompression = offer.Cluster.DisableCompression
	extensions := map[string]json.RawMessage{}
	for _, e := range offer.Cluster.Extensions {
		extensions[e.Name] = e.Extension
		if e.Name == execExtension {
			cluster.Extensions[e.Name] = &runtime.Unknown{Raw: e.Extension, ContentType: runtime.ContentTypeJSON}
		}
	}
	f.Context = offer.Name
	if err := errors.Join(refuseCluster("cluster.", cluster)...); err != nil {
		return f, err
	}
	user := clientcmdapi.NewAuthInfo()
	var err error
	if user.Exec, err = provider.command(extensions); err != nil {
		return f, err
	}
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[f.Context], cfg.AuthInfos[f.Context] = cluster, user
	cfg.Contexts[f.Context] = &clientcmdapi.Context{Cluster: f.Context, AuthInfo: f.Context}
	f.Member, err = describe(cfg, nil, f)
	return f, err
}
