rule bm25_index:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
    output:
        manifest=R / "bm25/{dataset}/index-{analyzer}/manifest.json",
    log:
        R / "logs/bm25/{dataset}.index-{analyzer}.log",
    benchmark:
        R / "benchmarks/bm25/{dataset}.index-{analyzer}.tsv"
    conda:
        "../envs/bm25.yaml"
    # A thread takes 100,000 documents at a time.
    threads:
        lambda wildcards: (
            4
            if (graph.registry.datasets[wildcards.dataset].documents or 0) > 100_000
            else 1
        )
    resources:
        mem_mb=grown(4000, of_dataset("mem_mb")),
        runtime=grown(60, of_dataset("runtime")),
    params:
        code=graph.code("bm25_index", "bm25"),
    script:
        "../workflow_scripts/bm25_index.py"


rule bm25_search:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        index=R / "bm25/{dataset}/index-{analyzer}/manifest.json",
    output:
        run=R / "bm25/{dataset}/{analyzer}_{k1}_{b}/{split}.top{depth}.trec",
        manifest=R
        / "bm25/{dataset}/{analyzer}_{k1}_{b}/{split}.top{depth}.manifest.json",
    log:
        R / "logs/bm25/{dataset}.{analyzer}_{k1}_{b}.{split}.top{depth}.log",
    benchmark:
        R / "benchmarks/bm25/{dataset}.{analyzer}_{k1}_{b}.{split}.top{depth}.tsv"
    wildcard_constraints:
        k1=r"[0-9.e-]+",
        b=r"[0-9.e-]+",
    conda:
        "../envs/bm25.yaml"
    threads: 4
    resources:
        mem_mb=grown(4000, of_dataset("mem_mb")),
        runtime=grown(60, of_dataset("runtime")),
    params:
        code=graph.code("bm25_search", "bm25"),
    script:
        "../workflow_scripts/bm25_search.py"
