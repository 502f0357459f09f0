// Command cmd writes the SPDX document of a built fairlead to standard output.
//
//	go run ./internal/sbom/cmd -program bin/fairlead -version v0.2.0 [-also NAME@VERSION=LICENCE] >fairlead.spdx.json
//
// GOOS and GOARCH are those of the program. The document's time is SOURCE_DATE_EPOCH, in
// seconds since 1970, or the beginning of 1970. It is run from the repository's root.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/notices"
	"github.com/fairlead-dev/fairlead/internal/sbom"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := sbom.Options{Name: "fairlead", Licence: "Apache-2.0"}
	flag.StringVar(&o.Program, "program", "bin/fairlead", "path of the program")
	flag.StringVar(&o.Version, "version", "dev", "version of the program")
	flag.Func("also", "NAME@VERSION=LICENCE of a part that goes along with it; repeatable", func(text string) error {
		name, rest, ok := strings.Cut(text, "@")
		version, licence, ok2 := strings.Cut(rest, "=")
		if !ok || !ok2 {
			return fmt.Errorf("%q is not NAME@VERSION=LICENCE", text)
		}
		o.Also = append(o.Also, sbom.Part{Name: name, Version: version, Licence: licence})
		return nil
	})
	flag.Parse()
	epoch := int64(0)
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		var err error
		if epoch, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
	}
	o.Created = time.Unix(epoch, 0)
	var err error
	if o.Linked, err = notices.Linked(ctx, ".", "./cmd/fairlead"); err != nil {
		return err
	}
	document, err := sbom.New(o)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}
