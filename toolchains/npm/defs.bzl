"""npm packages by lock, and what is made of them.

    npm_bundle            a program with all that it imports, as one file
    npm_bundle_manifest   what files are made of: their hashes, and the packages in them
    typescript_test       the test that types fit
    node_test             a test that Node.js runs
    npm_lock              the refresh of a lock
"""

load("//toolchains/npm:providers.bzl", _NpmBundleInfo = "NpmBundleInfo", _NpmPackagesInfo = "NpmPackagesInfo")
load("//toolchains/npm/private:node_test.bzl", _node_test = "node_test")
load("//toolchains/npm/private:npm_bundle.bzl", _npm_bundle = "npm_bundle")
load("//toolchains/npm/private:npm_lock.bzl", _npm_lock = "npm_lock")
load("//toolchains/npm/private:npm_manifest.bzl", _npm_bundle_manifest = "npm_bundle_manifest")
load("//toolchains/npm/private:typescript_test.bzl", _typescript_test = "typescript_test")

node_test = _node_test
npm_bundle = _npm_bundle
npm_bundle_manifest = _npm_bundle_manifest
npm_lock = _npm_lock
typescript_test = _typescript_test

NpmBundleInfo = _NpmBundleInfo
NpmPackagesInfo = _NpmPackagesInfo
