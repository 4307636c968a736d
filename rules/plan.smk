# Prints what the chosen experiments will take, and makes nothing.
rule plan:
    log:
        R / "logs/plan.txt",
    localrule: True
    run:
        from denseflow.workflow.plan_table import print_plan

        print_plan(graph, workflow.cores, Path(log[0]))
