# syntax=docker/dockerfile:1

# The embedded PostgreSQL and anvil of "holdfast dev" are optional dependencies; the image has no use for them.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=optional
COPY . .
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional && npm cache clean --force

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
COPY --from=build /app/contracts ./contracts
COPY package.json LICENSE ./
COPY config ./config
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HOLDFAST_HTTP_PORT}/readyz`, { signal: AbortSignal.timeout(4000) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
