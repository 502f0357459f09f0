package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Types of https://github.com/opencontainers/image-spec.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor names a blob by its digest.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type configFile struct {
	platform

	Created time.Time `json:"created"`
	Config  config    `json:"config"`
	RootFS  struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

// config is what a container of the image is started with.
type config struct {
	User         string              `json:"User"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	Entrypoint   []string            `json:"Entrypoint"`
	Volumes      map[string]struct{} `json:"Volumes"`
	WorkingDir   string              `json:"WorkingDir"`
	Labels       map[string]string   `json:"Labels"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// labels are those of deploy/Dockerfile, and the time.
func (o options) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "Fairlead",
		prefix + "description":   "Delivers the changes of many Kubernetes clusters, fairly and without losing any",
		prefix + "source":        "https://github.com/fairlead-dev/fairlead",
		prefix + "documentation": "https://github.com/fairlead-dev/fairlead/blob/main/README.md",
		prefix + "licenses":      "Apache-2.0",
		prefix + "version":       o.version,
		prefix + "revision":      o.revision,
		prefix + "created":       o.created.Format(time.RFC3339),
	}
}

func (o options) config() config {
	return config{
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}},
		Entrypoint:   []string{"/fairlead"},
		Volumes:      map[string]struct{}{"/var/lib/fairlead": {}},
		WorkingDir:   "/var/lib/fairlead",
		Labels:       o.labels(),
	}
}

// blobs are the contents of an archive, by digest.
type blobs map[string][]byte

// put adds a blob, in JSON unless it is bytes.
func (b blobs) put(mediaType string, content any) (descriptor, error) {
	text, ok := content.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(content); err != nil {
			return descriptor{}, err
		}
	}
	d := descriptor{MediaType: mediaType, Digest: digestOf(text), Size: len(text)}
	b[d.Digest] = text
	return d, nil
}

// archive returns the archive of all images, and the digest of their index, by which the
// image is known once it is pushed.
func archive(o options, images []image) (text []byte, digest string, err error) {
	all := blobs{}
	top := index{SchemaVersion: 2, MediaType: indexType, Annotations: o.labels()}
	for _, i := range images {
		d, err := all.image(o, i)
		if err != nil {
			return nil, "", err
		}
		top.Manifests = append(top.Manifests, d)
	}
	d, err := all.put(indexType, top)
	if err != nil {
		return nil, "", err
	}
	d.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": o.version,
		"io.containerd.image.name":          o.name + ":" + o.version,
	}
	entry, err := json.Marshal(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{d}})
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	write := func(name string, text []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg, ModTime: o.created, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	}
	if err := write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return nil, "", err
	}
	if err := write("index.json", entry); err != nil {
		return nil, "", err
	}
	for _, digest := range slices.Sorted(maps.Keys(all)) {
		if err := write("blobs/"+strings.Replace(digest, ":", "/", 1), all[digest]); err != nil {
			return nil, "", err
		}
	}
	err = w.Close()
	return b.Bytes(), d.Digest, err
}

// image adds the image of one processor.
func (b blobs) image(o options, i image) (descriptor, error) {
	on := platform{Architecture: i.arch, OS: "linux"}
	if i.arch == "arm64" {
		on.Variant = "v8"
	}
	file := configFile{platform: on, Created: o.created, Config: o.config(), History: []history{{Created: o.created, CreatedBy: "tools/image"}}}
	file.RootFS.Type, file.RootFS.DiffIDs = "layers", []string{i.layer.diffID}
	config, err := b.put(configType, file)
	if err != nil {
		return descriptor{}, err
	}
	packed, err := b.put(layerType, i.layer.compressed)
	if err != nil {
		return descriptor{}, err
	}
	d, err := b.put(manifestType, manifest{SchemaVersion: 2, MediaType: manifestType, Config: config, Layers: []descriptor{packed}, Annotations: o.labels()})
	d.Platform = &on
	return d, err
}
