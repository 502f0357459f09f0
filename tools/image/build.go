package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// rootsModule is where certificate authorities come from.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// image is that of one processor.
type image struct {
	arch  string
	layer layer
}

// build makes the images.
func (o options) build(ctx context.Context) ([]image, error) {
	roots, version, err := authorities()
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile(filepath.Join(o.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "fairlead-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // It is temporary.
	var images []image
	for _, arch := range strings.Split(o.platforms, ",") {
		target := []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT="}
		path := filepath.Join(work, arch)
		if _, err := output(ctx, o.root, target, "go", "build", "-trimpath", "-buildvcs=false",
			"-ldflags", "-s -w -X main.version="+o.version+" -X main.commit="+o.revision, "-o", path, "./cmd/fairlead"); err != nil {
			return nil, err
		}
		program, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		// The commands run here; the packages that they look at are those of the target.
		notices, err := o.tool(ctx, work, target, "./internal/notices/cmd")
		if err != nil {
			return nil, err
		}
		epoch := fmt.Sprintf("SOURCE_DATE_EPOCH=%d", o.created.Unix())
		sbom, err := o.tool(ctx, work, append(target, epoch), "./internal/sbom/cmd",
			"-program", path, "-version", o.version, "-also", "ca-certificates@"+version+"=MPL-2.0")
		if err != nil {
			return nil, err
		}
		l, err := newLayer(o.created, []file{
			{path: "etc/ssl/certs/ca-certificates.crt", text: roots},
			{path: "licenses/LICENSE", text: licence},
			{path: "licenses/THIRD-PARTY-NOTICES", text: notices},
			{path: "licenses/ca-certificates", text: []byte(rootsLicence(version))},
			{path: "licenses/fairlead.spdx.json", text: sbom},
			{path: "fairlead", text: program, program: true},
			{path: "var/lib/fairlead/", owner: user},
		})
		if err != nil {
			return nil, err
		}
		images = append(images, image{arch: arch, layer: l})
	}
	return images, nil
}

// tool builds a command of the repository for this machine and runs it with the variables
// of a target.
func (o options) tool(ctx context.Context, work string, target []string, pkg string, args ...string) ([]byte, error) {
	path := filepath.Join(work, strings.ReplaceAll(pkg, "/", "-"))
	if _, err := output(ctx, o.root, nil, "go", "build", "-o", path, pkg); err != nil {
		return nil, err
	}
	return output(ctx, o.root, target, path, args...)
}

// authorities returns the certificates of public authorities, as PEM, and their version.
func authorities() (text []byte, version string, err error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // which a file cannot tell
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, "", err
		}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, "", fmt.Errorf("this program does not know its modules")
	}
	for _, module := range info.Deps {
		if module.Path == rootsModule {
			return b.Bytes(), module.Version, nil
		}
	}
	// A test's program does not know them.
	return b.Bytes(), "unknown", nil
}

func rootsLicence(version string) string {
	return "The file /etc/ssl/certs/ca-certificates.crt is made of Mozilla's list of root certificates,\n" +
		"certdata.txt of NSS, which is under the Mozilla Public License Version 2.0\n" +
		"(https://mozilla.org/MPL/2.0/). It was taken from " + rootsModule + " " + version + ",\n" +
		"which says of each certificate where it comes from.\n"
}
