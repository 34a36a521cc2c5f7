package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucket is what a run asks of a bucket. It is safe for concurrent use. Its errors tell what they mean by the
// sentinels of this package; others are outages.
type bucket interface {
	// list gives a page of the objects whose keys lie behind one, in the order of their bytes.
	list(ctx context.Context, after string) (page, error)
	// head gives what stands at a key.
	head(ctx context.Context, key string) (object, error)
	// read opens the content of a key from a byte on, up to before another (0: the end), where it has an ETag
	// (empty: any). The object is what the answer says of it.
	read(ctx context.Context, key, etag string, from, to int64) (io.ReadCloser, object, error)
	// present makes sure that the bucket is there and may be listed.
	present(ctx context.Context) error
}

// page is a part of a listing.
type page struct {
	objects []object
	last    string // the next page lies behind it
	more    bool
	unnamed int // objects whose key is no UTF-8, which have no row
}

// pageKeys is the most that servers put on a page.
const pageKeys = 1000

// client is a bucket behind S3's protocol.
type client struct {
	session
	api    *api.Client
	bucket string
	prefix string
}

// dial makes a client, and what ends it. It asks for credentials, and at AWS for the bucket's region.
func dial(ctx context.Context, o *Options) (bucket, func(), error) {
	s, err := openSession(ctx, o, "")
	if err != nil {
		return nil, nil, err
	}
	c := &client{session: *s, bucket: o.Bucket, prefix: o.Prefix}
	c.api = c.connect(o)
	if o.Endpoint != "" {
		return c, c.close, nil
	}
	err = c.present(ctx)
	switch {
	case errors.Is(err, errElsewhere) && elsewhere(err) != "":
		// The bucket lies in another region, and requests have to be signed for it.
		c.close()
		if s, err = openSession(ctx, o, elsewhere(err)); err != nil {
			return nil, nil, err
		}
		c.session = *s
		c.api = c.connect(o)
	case errors.Is(err, errDenied) && c.anonymous:
		c.close()
		return nil, nil, err // the role of the machine may be told the next time
	}
	return c, c.close, nil
}

func (c *client) connect(o *Options) *api.Client {
	return api.NewFromConfig(c.config, func(to *api.Options) {
		if o.Endpoint != "" {
			to.BaseEndpoint = aws.String(o.Endpoint)
		}
		if to.BaseEndpoint != nil {
			// Servers beside AWS know buckets by path, and not every checksum.
			to.UsePathStyle = true
			to.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			to.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
}

func (c *client) list(ctx context.Context, after string) (page, error) {
	in := &api.ListObjectsV2Input{Bucket: &c.bucket, MaxKeys: aws.Int32(pageKeys), EncodingType: types.EncodingTypeUrl,
		OptionalObjectAttributes: []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus}}
	if c.prefix != "" {
		in.Prefix = &c.prefix
	}
	if after != "" {
		in.StartAfter = &after // and no token, so that a listing goes on after any outage
	}
	out, err := c.api.ListObjectsV2(ctx, in)
	if err != nil {
		return page{}, faultOf("list bucket "+c.bucket, err)
	}
	p := page{objects: make([]object, 0, len(out.Contents)), more: aws.ToBool(out.IsTruncated), last: after}
	for i := range out.Contents {
		o := &out.Contents[i]
		key := aws.ToString(o.Key)
		if out.EncodingType == types.EncodingTypeUrl {
			if key, err = url.QueryUnescape(key); err != nil {
				return page{}, fmt.Errorf("list bucket %s: read key %q: %w", c.bucket, aws.ToString(o.Key), err)
			}
		}
		if key <= p.last {
			return page{}, fmt.Errorf("list bucket %s: %w: %q comes after %q", c.bucket, errDisorder, key, p.last)
		}
		p.last = key
		if !utf8Key(key) {
			p.unnamed++
			continue
		}
		found := object{key: key, size: aws.ToInt64(o.Size), etag: bare(o.ETag), modified: aws.ToTime(o.LastModified)}
		if isArchive(string(o.StorageClass)) {
			r := o.RestoreStatus
			found.archived = r == nil || aws.ToBool(r.IsRestoreInProgress) || r.RestoreExpiryDate == nil
		}
		p.objects = append(p.objects, found)
	}
	if p.more && len(out.Contents) == 0 {
		return page{}, fmt.Errorf("list bucket %s: an empty page is said not to be the last", c.bucket)
	}
	return p, nil
}

func (c *client) head(ctx context.Context, key string) (object, error) {
	out, err := c.api.HeadObject(ctx, &api.HeadObjectInput{Bucket: &c.bucket, Key: &key})
	if err != nil {
		return object{}, faultOf("look at "+key, err)
	}
	o := object{key: key, size: aws.ToInt64(out.ContentLength), etag: bare(out.ETag), modified: aws.ToTime(out.LastModified),
		mediaType: plainType(out.ContentType)}
	if isArchive(string(out.StorageClass)) || out.ArchiveStatus != "" {
		// Restore is `ongoing-request="false", expiry-date="…"` when it is done, and is absent when nobody has asked.
		o.archived = !strings.Contains(aws.ToString(out.Restore), `ongoing-request="false"`)
	}
	return o, nil
}

func (c *client) read(ctx context.Context, key, etag string, from, to int64) (io.ReadCloser, object, error) {
	in := &api.GetObjectInput{Bucket: &c.bucket, Key: &key}
	if etag != "" {
		in.IfMatch = aws.String(`"` + etag + `"`)
	}
	switch {
	case to > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1))
	case from > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
	}
	out, err := c.api.GetObject(ctx, in)
	if err != nil {
		return nil, object{}, faultOf("read "+key, err)
	}
	o := object{key: key, size: aws.ToInt64(out.ContentLength), etag: bare(out.ETag), modified: aws.ToTime(out.LastModified),
		mediaType: plainType(out.ContentType)}
	if in.Range != nil {
		begins, whole, ok := rangeOf(aws.ToString(out.ContentRange))
		if ok {
			o.size = whole
		}
		if from > 0 && (!ok || begins != from) {
			out.Body.Close()
			return nil, object{}, fmt.Errorf("read %s: the server gave %q and not what lies behind byte %d", key, aws.ToString(out.ContentRange), from)
		}
	}
	return out.Body, o, nil
}

func (c *client) present(ctx context.Context) error {
	if _, err := c.api.HeadBucket(ctx, &api.HeadBucketInput{Bucket: &c.bucket}); err != nil {
		return faultOf("look at bucket "+c.bucket, err)
	}
	return nil
}

// bare is an ETag without its quotes.
func bare(etag *string) string {
	return strings.Trim(strings.TrimPrefix(aws.ToString(etag), "W/"), `"`)
}

// plainType is a media type without parameters; empty for those that servers give when nobody has told one.
func plainType(told *string) string {
	t, _, _ := strings.Cut(aws.ToString(told), ";")
	switch t = strings.ToLower(strings.TrimSpace(t)); t {
	case "binary/octet-stream", "application/octet-stream":
		return ""
	}
	return t
}

// isArchive reports whether objects of a storage class cannot be read before they are restored.
func isArchive(class string) bool {
	return class == string(types.ObjectStorageClassGlacier) || class == string(types.ObjectStorageClassDeepArchive)
}
