"""npm packages: laid out as a lock says, bundled with esbuild, checked with tsc."""
